"""Anomalies of minutes: each kind where it was put, none where nothing is to be judged, and as the oracle says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import settings as of_properties
from hypothesis import strategies as st
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.defs.finding_assets import finding_assets, findings_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake
from stock_assets.domain.finding_tables import ANOMALIES
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.domain.tables import MINUTE_BARS, RAW_ACTIONS
from stock_assets.lake.built import record_built
from stock_assets.lake.tables import read_sessions, table_version
from stock_assets.quality.anomalies import find_anomalies
from stock_assets.quality.finding_state import stale_findings
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings
from stock_assets_tests.pipeline.oracle_anomalies import anomalies
from stock_assets_tests.pipeline.raw_rows import action, land

DAYS = sessions_between(date(2013, 11, 1), date(2013, 12, 5))  # a half day among them
LAST = DAYS[-1]
Row = dict[str, Any]


def bars(
    seed: int = 1,
    days: Sequence[date] = DAYS,
    symbol: str = "IBM",
    minutes: int = 390,
    missing: float = 0.0,
    source: str = "yahoo",
) -> list[Row]:
    """A random walk in cents, and shares."""
    chance, found = np.random.default_rng(seed), []
    for day in days:
        times = session(day)
        count = min(minutes, (times.close_time - times.open_time) // timedelta(minutes=1))
        closes = 20_000 + np.cumsum(chance.integers(-4, 5, count))
        shares = np.round(np.exp(chance.normal(8, 0.4, count)))
        for minute in np.flatnonzero(chance.random(count) >= missing):
            price = Decimal(int(closes[minute])) / 100
            found.append(
                {
                    "trading_day": day,
                    "symbol": symbol,
                    "source": source,
                    "start_time": times.open_time + timedelta(minutes=int(minute)),
                    "phase": "regular",
                    **dict.fromkeys(("open", "high", "low", "close"), price.quantize(Decimal("0.000001"))),
                    "volume": Decimal(int(shares[minute])).quantize(Decimal("0.000001")),
                    "vwap": None,
                    "trade_count": None,
                    "currency": "USD",
                }
            )
    return found


def arrow(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=MINUTE_BARS.arrow_schema())


def change(rows: Sequence[Row], day: date, minute: int, *, cents: int = 0, after: int = 0, shares: int = 1) -> None:
    """From a minute on prices are higher by ``cents``, and by ``after`` from the next one on; its shares are multiplied."""
    for row in rows:
        if row["trading_day"] == day:
            at = (row["start_time"] - session(day).open_time) // timedelta(minutes=1)
            row["close"] += Decimal(cents if at == minute else after if at > minute else 0) / 100
            row["volume"] *= shares if at == minute else 1


def kinds(rows: Sequence[Row], day: date = LAST, **given: Any) -> list[tuple[int, str]]:
    opened = session(day).open_time
    return [
        ((row["start_time"] - opened) // timedelta(minutes=1), row["kind"])
        for row in find_anomalies(arrow(rows), [day], **given)
    ]


def test_each_kind_is_found_where_it_is_and_nothing_else() -> None:
    rows = bars()
    assert kinds(rows) == []
    change(rows, LAST, 100, cents=200, after=200)
    change(rows, LAST, 200, cents=-200, after=0)
    change(rows, LAST, 300, shares=40)
    assert kinds(rows) == [(100, "jump"), (200, "suspect_print"), (300, "block")]
    jump, _, block = find_anomalies(arrow(rows), [LAST])
    assert (jump["n"], block["n"]) == (20, 19)  # one session is a half day
    for row in (jump, block):
        assert row["z"] == pytest.approx((row["value"] - row["median"]) / row["deviation"], rel=1e-4)
    assert jump["change_percent"] == pytest.approx(1.0, abs=0.03)
    assert block["deviation"] >= 1.4826 * block["mad"] - 1e-6


@pytest.mark.parametrize("minute", [0, 4, 385, 389])
def test_auctions_are_not_judged(minute: int) -> None:
    rows = bars()
    change(rows, LAST, minute, cents=300, after=300, shares=40)
    assert kinds(rows) == []


def test_a_half_day_ends_at_one() -> None:
    (half,) = [day for day in DAYS if session(day).half_day]
    rows = bars(days=sessions_between(date(2013, 10, 1), half))
    for minute in (204, 206):
        change(rows, half, minute, cents=300 if minute == 204 else 600, after=300 if minute == 204 else 600)
    assert kinds(rows, half) == [(204, "jump")]


def test_ex_dates_and_short_histories_are_not_judged() -> None:
    rows = bars()
    change(rows, LAST, 100, cents=200, after=200)
    assert kinds(rows, ex_dates=[("IBM", LAST)]) == []
    assert kinds(rows, ex_dates=[("MSFT", LAST), ("IBM", DAYS[-2])]) == [(100, "jump")]
    for sessions, wanted in ((10, [(100, "jump")]), (9, [])):
        assert kinds([row for row in rows if row["trading_day"] in DAYS[-1 - sessions :]]) == wanted


def test_a_split_is_no_block() -> None:
    rows = bars()
    for row in rows:
        if row["trading_day"] < DAYS[-2]:
            row["volume"] /= 20
    assert kinds(rows)
    assert kinds(rows, splits={("IBM", "yahoo"): [(DAYS[-2], 20.0)]}) == []


def test_less_than_a_tick_is_no_jump() -> None:
    rows = bars()
    for row in rows:
        row["close"] = Decimal("10.000000")
        row["volume"] = Decimal(100)
    change(rows, LAST, 100, cents=5, after=5)  # five ticks where there never was one
    change(rows, LAST, 300, cents=7, after=7)
    assert kinds(rows) == [(300, "jump")]


NUMBERS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "missing": st.sampled_from([0.0, 0.1, 0.5]),
        "jumps": st.lists(st.tuples(st.integers(0, 79), st.integers(-60, 60), st.booleans()), max_size=6),
        "blocks": st.lists(st.tuples(st.integers(0, 79), st.integers(2, 60)), max_size=3),
        "ratio": st.sampled_from([1.0, 2.0, 0.1]),
        "skipped": st.booleans(),
    }
)


@of_properties(max_examples=12)
@given(NUMBERS)
def test_it_says_what_the_oracle_says(numbers: Row) -> None:
    rows = bars(numbers["seed"], DAYS[-21:], "SIM1", 80, numbers["missing"])
    rows += bars(numbers["seed"] + 1, DAYS[-15:], "IBM", 80)
    for minute, cents, stays in numbers["jumps"]:
        change(rows, LAST, minute, cents=cents, after=cents if stays else 0)
    for minute, times in numbers["blocks"]:
        change(rows, LAST, minute, shares=times)
    given_too = {
        "ex_dates": [("IBM", LAST)] if numbers["skipped"] else [],
        "splits": {("SIM1", "yahoo"): [(DAYS[-5], numbers["ratio"])]},
    }
    found, wanted = find_anomalies(arrow(rows), [LAST], **given_too), anomalies(rows, [LAST], **given_too)
    names = ("symbol", "source", "start_time", "kind", "n")
    assert [[row[name] for name in names] for row in found] == [[row[name] for name in names] for row in wanted]
    assert [row["z"] for row in found] == pytest.approx([row["z"] for row in wanted], rel=1e-5, abs=1e-5)
    some = [row for place, row in enumerate(reversed(rows)) if place >= 0]
    assert find_anomalies(arrow(some), [LAST], **given_too) == found


def store(lake: str, rows: Sequence[Row]) -> None:
    table = pa.Table.from_pylist(list(rows), schema=MINUTE_BARS.stored.arrow_schema())
    write_deltalake(f"{lake}/{MINUTE_BARS.path}", table, mode="overwrite", partition_by=["trading_day"])


def run(lake: str) -> dg.AssetCheckEvaluation:
    settings = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": "2013-01-02"})
    result = dg.materialize(
        finding_assets(session_partitions(date(2013, 1, 2)), settings)[1:],
        resources={"lake": Lake(root=lake)},
        partition_key=str(LAST),
        run_config={"ops": {"live__anomalies": findings_config(DAYS[0], LAST)["ops"]["live__anomalies"]}},
    )
    (check,) = result.get_asset_check_evaluations()
    return check


def stored(lake: str) -> list[Row]:
    rows = read_sessions(lake, ANOMALIES, list(ANOMALIES.names)).to_pylist()
    return sorted(rows, key=lambda row: tuple(row[name] for name in ANOMALIES.key))


def test_late_ticks_and_actions_are_judged_again_and_a_lost_table_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, judging = str(tmp_path / "lake"), Judging.of(Settings({}))

    def stale() -> list[date]:
        return stale_findings(lake, judging)[ANOMALIES.path]

    rows = bars(symbol="SIM7", minutes=60)
    store(lake, rows)
    record_built(lake, MINUTE_BARS.path, dict.fromkeys(DAYS, "first"))
    assert stale() == DAYS
    assert run(lake).passed and stale() == [] and stored(lake) == []
    change(rows, DAYS[-2], 30, cents=200, after=200)
    store(lake, rows)
    record_built(lake, MINUTE_BARS.path, {DAYS[-2]: "second"})
    assert stale() == DAYS[-2:]
    check = run(lake)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"SIM7 {DAYS[-2]} 10:00 jump (z +" in str(check.description)
    first, version = stored(lake), table_version(lake, ANOMALIES)
    assert [row["kind"] for row in first] == ["jump"]
    run(lake)
    assert table_version(lake, ANOMALIES) == version

    import shutil

    shutil.rmtree(f"{lake}/{ANOMALIES.path}")
    record_built(lake, ANOMALIES.path, dict.fromkeys(DAYS, "lost"))
    run(lake)
    assert stored(lake) == first

    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(tmp_path / "local"))
    shown = CliRunner().invoke(app, ["anomalies", str(DAYS[-2])])
    assert f"{DAYS[-2]} 10:00" in shown.output and "jump" in shown.output, shown.output
    assert "Nothing unusual" in CliRunner().invoke(app, ["anomalies", str(LAST)]).output

    land(lake, RAW_ACTIONS, [action(DAYS[-2], "dividend", 0.5, symbol="SIM7")])
    assert stale() == DAYS[-2:]
    assert run(lake).passed and stored(lake) == []
