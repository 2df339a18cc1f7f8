"""Patterns of candles: each form as it is defined, across splits, holes and renames, and the same whatever range is built."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.defs.finding_assets import PATTERNS_KEY, finding_assets, findings_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake
from stock_assets.domain.finding_tables import PATTERNS as TABLE
from stock_assets.domain.patterns import LOOKBACK_SESSIONS, PATTERNS
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Rename
from stock_assets.lake.tables import read_sessions, table_version
from stock_assets.quality.finding_state import stale_findings
from stock_assets.quality.judging import Judging
from stock_assets.quality.patterns import COLUMNS, find_patterns
from stock_assets.settings.platform import Settings
from stock_assets_tests.fakes.market_lake import store_market

DAYS = sessions_between(date(2013, 1, 2), date(2013, 6, 28))
FEW = DAYS[:60]
QUIET = (100.0, 101.0, 99.0, 100.5)
Candle = tuple[float, float, float, float]
"""Open, high, low, close."""
SCHEMA = pa.schema(
    [pa.field("symbol", pa.string()), pa.field("trading_day", pa.date32())]
    + [pa.field(name, pa.decimal128(18, 6)) for name in COLUMNS[2:]]
)


def metrics(
    candles: Sequence[Candle],
    splits: dict[int, float] | None = None,
    days: Sequence[date] = DAYS,
    symbols: Sequence[str] = (),
    averages: Sequence[tuple[float | None, float | None]] = (),
) -> pa.Table:
    """Rows as the table has them: as traded, the previous close in the session's own shares."""
    rows, factor = [], 1.0
    for place, candle in enumerate(candles):
        ratio = (splits or {}).get(place, 1.0)
        before, factor = factor, factor * ratio
        priced = [price / factor for price in candle]
        previous = None if place == 0 else candles[place - 1][3] / before / ratio
        short, long = averages[place] if averages else (None, None)
        numbers = dict(zip(COLUMNS[2:], (*priced, previous, short, long), strict=True))
        symbol = symbols[place] if symbols else "IBM"
        rows.append({"symbol": symbol, "trading_day": days[place]} | {name: _six(n) for name, n in numbers.items()})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _six(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(round(number, 6)))


def named(rows: pa.Table, *, days: Sequence[date] = DAYS, renames: Sequence[Rename] = ()) -> set[tuple[date, str]]:
    return {(row["trading_day"], row["pattern"]) for row in find_patterns(rows, days, renames)}


SHAPES: dict[str, list[Candle]] = {
    "doji": [(100, 101, 99, 100.1)],
    "hammer": [(99.0, 99.32, 96.0, 99.3)],
    "bullish_engulfing": [(100.5, 101, 99, 99.5), (99.2, 101, 99, 100.8)],
    "bearish_engulfing": [(99.5, 101, 99, 100.5), (100.8, 101, 99, 99.2)],
    "morning_star": [(100, 100.2, 95.8, 96), (95, 95.4, 94.6, 94.9), (95.5, 99, 95.4, 98.8)],
    "evening_star": [(96, 100.2, 95.8, 100), (101, 101.4, 100.6, 101.1), (100.5, 100.6, 97, 97.2)],
    "gap_up": [(102, 103, 101.01, 102.5)],
    "gap_down": [(98, 98.99, 97, 97.5)],
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_form_is_found_where_it_ends(name: str) -> None:
    shape = SHAPES[name]
    candles = [QUIET] * LOOKBACK_SESSIONS + shape
    assert (DAYS[len(candles) - 1], name) in named(metrics(candles))
    plain = named(metrics([QUIET] * (len(candles) + 5)))
    assert not plain


def test_what_is_no_such_form_is_not_taken_for_one() -> None:
    before = [QUIET] * LOOKBACK_SESSIONS
    for wrong in ((100, 101, 99, 100.3), (99.0, 99.9, 96.0, 99.3), (102, 103, 101.0, 102.5)):
        found = {name for _, name in named(metrics([*before, wrong]))}
        assert not found & {"doji", "hammer", "gap_up"}, wrong


def test_averages_cross_once_and_not_where_they_only_touch() -> None:
    averages: list[tuple[float | None, float | None]] = [(None, None), (9, None), (9, 10), (10, 10), (11, 10), (12, 10)]
    averages += [(10, 10), (11, 10), (9, 10)]
    found = named(metrics([QUIET] * len(averages), averages=averages))
    assert found == {(DAYS[4], "golden_cross"), (DAYS[7], "golden_cross"), (DAYS[8], "death_cross")}


@pytest.mark.parametrize("ratio", [2.0, 7.0, 0.1])
def test_a_split_makes_no_pattern_and_hides_none(ratio: float) -> None:
    candles = [QUIET] * LOOKBACK_SESSIONS + SHAPES["morning_star"] + [(99, 100, 98, 99.5)] * 3
    plain = named(metrics(candles))
    assert {"morning_star"} <= {name for _, name in plain}
    for place in range(1, len(candles)):
        assert named(metrics(candles, splits={place: ratio})) == plain, place


def test_a_missing_session_has_no_neighbours() -> None:
    candles = [QUIET] * 14 + [(102, 103, 101.5, 102.5)]
    days = [*DAYS[:14], DAYS[15]]
    assert (DAYS[14], "gap_up") in named(metrics(candles))
    assert named(metrics(candles, days=days)) == set()


def test_a_company_s_candles_go_on_under_its_new_name() -> None:
    candles = [QUIET] * 14 + [(102, 103, 101.5, 102.5)]
    rows = metrics(candles, symbols=["FB"] * 14 + ["META"])
    assert named(rows) == set()
    renames = [Rename("FB", date.min, DAYS[13], "META")]
    (row,) = [each for each in find_patterns(rows, DAYS, renames) if each["pattern"] == "gap_up"]
    assert (row["symbol"], row["direction"]) == ("META", "bullish")


PRICE = st.integers(900, 1100).map(lambda cents: cents / 100)


@given(
    candles=st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), min_size=20, max_size=60),
    splits=st.dictionaries(st.integers(1, 59), st.sampled_from([2.0, 3.0, 0.125]), max_size=3),
    cut=st.integers(1, 58),
)
def test_any_range_gives_the_same_rows(
    candles: list[tuple[float, float, float, float]], splits: dict[int, float], cut: int
) -> None:
    whole = [(o, max(o, h, low, c), min(o, h, low, c), c) for o, h, low, c in candles]
    rows, days = metrics(whole, splits), DAYS[: len(whole)]
    everything = named(rows, days=days)
    cut = min(cut, len(days) - 1)
    late = rows.slice(max(0, cut - LOOKBACK_SESSIONS))
    assert named(rows.slice(0, cut), days=days[:cut]) | named(late, days=days[cut:]) == everything
    gaps = {
        (days[place], "gap_up" if whole[place][2] > whole[place - 1][1] else "gap_down")
        for place in range(1, len(whole))
        if place not in splits
        and (whole[place][2] > whole[place - 1][1] + 1e-4 or whole[place][1] < whole[place - 1][2] - 1e-4)
    }
    assert gaps <= everything


def test_ta_lib_looks_back_no_further_than_said() -> None:
    from talib import abstract

    functions = [each.function for each in PATTERNS.values() if each.function is not None]
    assert max(getattr(abstract, name).lookback for name in functions) == LOOKBACK_SESSIONS


def run(lake: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    settings = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": "2013-01-02"})
    assets = finding_assets(session_partitions(date(2013, 1, 2)), settings)
    result = dg.materialize(
        assets[:1],
        instance=instance,
        resources={"lake": Lake(root=lake)},
        partition_key=str(FEW[-1]),
        run_config={"ops": {"live__patterns": findings_config(FEW[0], FEW[-1])["ops"]["live__patterns"]}},
    )
    assert result.success
    return result


def stored(lake: str) -> list[dict[str, Any]]:
    rows = read_sessions(lake, TABLE, list(TABLE.names)).to_pylist()
    return sorted(rows, key=lambda row: tuple(row[name] for name in TABLE.key))


def test_a_changed_session_is_found_again_with_those_that_look_back_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, judging = str(tmp_path / "lake"), Judging.of(Settings({}))
    store_market(lake, ["AAA", "BBB", "CCC"], FEW)
    assert stale_findings(lake, judging)[TABLE.path] == FEW
    instance = dg.DagsterInstance.ephemeral()
    run(lake, instance)
    first, version = stored(lake), table_version(lake, TABLE)
    assert first and stale_findings(lake, judging)[TABLE.path] == []
    run(lake, instance)
    assert table_version(lake, TABLE) == version
    events = instance.fetch_materializations(PATTERNS_KEY, limit=1000).records
    assert {event.partition_key for event in events} >= {str(row["trading_day"]) for row in first}

    from deltalake import DeltaTable

    DeltaTable(f"{lake}/{DAILY_METRICS.path}").update(
        {"low": "low / 2", "revision": "2"}, predicate=f"trading_day = '{FEW[40]}' AND symbol = 'AAA'"
    )
    assert stale_findings(lake, judging)[TABLE.path] == FEW[40 : 41 + LOOKBACK_SESSIONS]
    run(lake, instance)
    again = stored(lake)
    assert again != first

    import shutil

    shutil.rmtree(f"{lake}/{TABLE.path}")
    shutil.rmtree(f"{lake}/state/built_from")
    run(lake, dg.DagsterInstance.ephemeral())
    assert stored(lake) == again

    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(tmp_path / "local"))
    shown = CliRunner().invoke(app, ["patterns"])
    assert shown.exit_code == 0, shown.output
    doji = sum(row["pattern"] == "doji" for row in again)
    (line,) = [line for line in shown.output.splitlines() if line.startswith("doji ")]
    assert line.split()[:5] == ["doji", "neutral", str(doji), f"{100 * doji / (3 * len(FEW)):.1f}", "%"]
    own = CliRunner().invoke(app, ["patterns", "aaa"])
    assert own.exit_code == 0 and str(again[-1]["trading_day"])[:4] in own.output, own.output
    unknown = CliRunner().invoke(app, ["patterns", "ZZZ"])
    assert unknown.exit_code != 0


def test_the_lookback_is_in_sessions_of_the_exchange() -> None:
    assert DAYS[LOOKBACK_SESSIONS] - DAYS[0] > timedelta(days=LOOKBACK_SESSIONS)
