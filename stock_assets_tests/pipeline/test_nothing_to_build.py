"""What sessions have none of is not asked of Spark: which parts those are, and the stage of minute bars without any."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from spark.jobs import StageReport
from stock_assets.defs.built_assets import MINUTE_BARS_KEY
from stock_assets.defs.resources import Spark
from stock_assets.domain.tables import MINUTE_BARS, RAW_BARS, RAW_TICKS
from stock_assets.lake.built import built_from
from stock_assets.lake.staleness import raw_state
from stock_assets_tests.pipeline.one_stage import build_stage
from stock_assets_tests.pipeline.raw_rows import at, bar, days, land, tick

DAYS = days("2013-10-07", 5)


def test_parts_are_told_per_session(lake: str) -> None:
    def without(*of_days: date) -> set[str]:
        return raw_state(lake).without(lake, of_days)

    assert without(*DAYS) == {"ticks", "minutes"}
    land(lake, RAW_BARS, [bar(day, 100.0) for day in DAYS])
    assert without(*DAYS) == {"ticks", "minutes"}
    land(lake, RAW_BARS, [bar(DAYS[2], 100.0, interval="1m", start_time=at(DAYS[2], "10:00"))])
    land(lake, RAW_TICKS, [tick(at(DAYS[3], "10:00"), 100.0)])
    assert [without(day) for day in DAYS[1:]] == [{"ticks", "minutes"}, {"ticks"}, {"minutes"}, {"ticks", "minutes"}]
    assert without(DAYS[1], DAYS[4]) == {"ticks", "minutes"} and without(*DAYS) == set() == without(*DAYS[2:4])


@pytest.fixture
def built(lake: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[date], set[str]]]:
    """What Spark was asked to build: the sessions, and what they are without."""
    asked: list[tuple[list[date], set[str]]] = []

    def build_minute_bars(*_: Any, **given: Any) -> StageReport:
        asked.append((given["days"], given["without"]))
        return StageReport({}, [], 0.0)

    monkeypatch.setattr("spark.jobs.build_minute_bars", build_minute_bars)
    monkeypatch.setattr(Spark, "session", lambda *_: None)
    return asked


def build(lake: str) -> None:
    build_stage(lake, MINUTE_BARS_KEY, DAYS[0], DAYS[-1])


def test_spark_makes_the_table_and_is_asked_again_only_for_what_there_is(
    lake: str, built: list[tuple[list[date], set[str]]]
) -> None:
    nothing = {"ticks", "minutes"}
    land(lake, RAW_BARS, [bar(day, 100.0) for day in DAYS[:2]])
    build(lake)
    assert built == [(DAYS[:2], nothing)]  # there is no table yet
    empty = MINUTE_BARS.stored.arrow_schema().empty_table()
    write_deltalake(f"{lake}/{MINUTE_BARS.path}", empty, partition_by=list(MINUTE_BARS.partition_by))
    land(lake, RAW_BARS, [bar(day, 100.0) for day in DAYS[2:4]])
    build(lake)
    assert len(built) == 1
    assert built_from(lake, MINUTE_BARS.path).keys() == set(DAYS[:4])
    build(lake)
    assert len(built) == 1  # they are not stale any more
    land(lake, RAW_BARS, [bar(DAYS[4], 100.0, interval="1m", start_time=at(DAYS[4], "10:00"))])
    build(lake)
    assert built[1:] == [([DAYS[4]], {"ticks"})]


def test_what_is_stored_is_replaced_when_nothing_is_left_to_build_it_from(
    lake: str, built: list[tuple[list[date], set[str]]]
) -> None:
    schema = MINUTE_BARS.stored.arrow_schema()
    row = {name: None for name in schema.names} | {"trading_day": DAYS[0], "symbol": "IBM", "source": "yahoo"}
    loose = pa.schema([field.with_nullable(True) for field in schema])
    stored = pa.Table.from_pylist([row], schema=loose)
    write_deltalake(f"{lake}/{MINUTE_BARS.path}", stored, partition_by=list(MINUTE_BARS.partition_by))
    land(lake, RAW_BARS, [bar(day, 100.0) for day in DAYS[:2]])
    build(lake)
    assert built == [(DAYS[:2], {"ticks", "minutes"})]


def unmarked() -> pa.Schema:
    """Without the column that tells why a row is withheld."""
    return MINUTE_BARS.arrow_schema()


def of_whole_shares() -> pa.Schema:
    stored = MINUTE_BARS.stored.arrow_schema()
    return stored.set(stored.get_field_index("volume"), pa.field("volume", pa.int64()))


@pytest.mark.parametrize("earlier", [unmarked(), of_whole_shares()], ids=["unmarked", "of whole shares"])
def test_a_table_of_an_earlier_release_goes_through_spark(
    lake: str, built: list[tuple[list[date], set[str]]], earlier: pa.Schema
) -> None:
    write_deltalake(f"{lake}/{MINUTE_BARS.path}", earlier.empty_table(), partition_by=list(MINUTE_BARS.partition_by))
    land(lake, RAW_BARS, [bar(DAYS[0], 100.0)])
    build(lake)
    assert len(built) == 1
