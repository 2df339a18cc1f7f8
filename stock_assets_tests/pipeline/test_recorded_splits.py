"""Splits on recordings: as traded before and after them, and what an unrepaired history looks like to the check."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark.adjusted import adjusted_to
from spark.daily_bars import daily_bars_from_vendors
from spark.session_times import session_times
from stock_assets.defs.state_checks import find_split_faults
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS
from stock_assets.quality.stale_history import find_faults
from stock_assets_tests.pipeline.raw_rows import NEW_YORK, Row, action, at, bar, frame, land, rows_of

RECORDED = Path(__file__).parents[3] / "shared" / "data"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings at {RECORDED}")


def aapl_daily(first: str, last: str) -> list[tuple[date, list[float], int]]:
    """day, open to close as traded, volume."""
    with zipfile.ZipFile(RECORDED / "lean" / "usa" / "daily" / "aapl.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    fields = [line.split(",") for line in lines if first <= line[:8] <= last]
    return [
        (datetime.strptime(f[0][:8], "%Y%m%d").date(), [int(p) / 10_000 for p in f[1:5]], int(f[5])) for f in fields
    ]


def priced(prices: Sequence[float], volume: int, factor: float = 1.0) -> Row:
    names = ("open", "high", "low", "close")
    return {name: price / factor for name, price in zip(names, prices, strict=True)} | {
        "volume": round(volume * factor)
    }


@recorded
def test_aapl_fetched_before_and_after_its_split_of_2014(spark: SparkSession, lake: str) -> None:
    """A vendor's first answer on the old level, a second one that restates three sessions: no value as traded changes."""
    split_day, eve = date(2014, 6, 9), at(date(2014, 6, 6), "21:00")
    recording = aapl_daily("20140501", "20140613")
    sessions = [day for day, _, _ in recording]
    later = at(sessions[-1], "21:00")
    given = {"symbol": "AAPL", "price_basis": "split_adjusted"}
    old = [bar(d, 1.0, **given, known_at=eve) | priced(p, v) for d, p, v in recording if d < split_day]
    new = [
        bar(d, 1.0, **given, known_at=later) | priced(p, v, 7 if d < split_day else 1)
        for d, p, v in recording
        if d >= date(2014, 6, 4)
    ]
    actions = [action(split_day, "split", 7.0, symbol="AAPL", known_at=later)]
    land(lake, RAW_BARS, [*old, *new])
    land(lake, RAW_ACTIONS, actions)
    raw = frame(spark, RAW_BARS, [*old, *new]), frame(spark, RAW_ACTIONS, actions)
    times = session_times(spark, sessions[0], sessions[-1])
    for instant, count in ((eve, len(old)), (None, len(sessions))):
        built = rows_of(daily_bars_from_vendors(*raw, times, as_of=instant), ("trading_day",))
        assert len(built) == count
        for day, prices, volume in recording[:count]:
            row = built[day,]
            assert [float(row[n]) for n in ("open", "high", "low", "close")] == pytest.approx(prices, abs=1e-6)
            assert row["volume"] == pytest.approx(volume, abs=1)
    # Adjusted to the day after, they are what Yahoo says of them in 2017.
    adjusted = rows_of(adjusted_to(daily_bars_from_vendors(*raw, times), raw[1], sessions[-1]), ("trading_day",))
    recalled = {
        line.split(",")[0]: float(line.split(",")[4])
        for line in (RECORDED / "stocknet" / "AAPL.csv").read_text().splitlines()[1:]
    }
    for day in sessions:
        assert float(adjusted[day,]["close"]) == pytest.approx(recalled[str(day)], rel=1e-3)
    # The rest of the history was not fetched again: the check says so, but as traded it is right.
    seen = find_split_faults(lake)
    assert seen.passed and seen.text.endswith(
        "1 histories hold sessions from before a split beside restated ones, right as traded"
    )
    (found,) = seen.details
    assert (found["kind"], found["first"], found["last"]) == ("stale history", sessions[0], date(2014, 6, 3))
    land(
        lake,
        RAW_BARS,
        [
            row | priced([row[n] for n in ("open", "high", "low", "close")], row["volume"], 7) | {"known_at": later}
            for row in old
        ],
    )
    assert find_split_faults(lake).details == []


@recorded
def test_nvda_fetched_in_2025_is_as_traded_in_2021(spark: SparkSession) -> None:
    answer = json.loads(
        next(
            (RECORDED / "node_yahoo_finance2" / "fixtures" / "http").glob("historical-via-chart-NVDA-split-*")
        ).read_text()
    )["response"]["bodyJson"]["chart"]["result"][0]
    fetched = at(date(2025, 2, 22), "05:01")
    quote = answer["indicators"]["quote"][0]
    raw, literal = [], {}
    for n, stamp in enumerate(answer["timestamp"]):
        day = datetime.fromtimestamp(stamp, NEW_YORK).date()
        literal[day] = [quote[name][n] for name in ("open", "high", "low", "close")]
        row = bar(day, 1.0, symbol="NVDA", price_basis="split_adjusted", known_at=fetched)
        raw.append(row | priced(literal[day], quote["volume"][n]))
    first, second = date(2021, 7, 20), date(2024, 6, 10)
    actions = [
        action(day, "split", ratio, symbol="NVDA", known_at=fetched) for day, ratio in ((first, 4.0), (second, 10.0))
    ]
    stated = frame(spark, RAW_ACTIONS, actions)
    times = session_times(spark, date(2021, 2, 1), date(2022, 1, 31))
    bars = daily_bars_from_vendors(frame(spark, RAW_BARS, raw), stated, times)
    built = rows_of(bars, ("trading_day",))
    assert round(built[date(2021, 7, 19),]["close"], 2) == Decimal("751.19")
    assert built[date(2021, 7, 20),]["close"] == pytest.approx(Decimal("186.12"), abs=Decimal("0.001"))
    for day, prices in literal.items():
        factor = 40 if day < first else 10
        assert float(built[day,]["close"]) == pytest.approx(prices[3] * factor, abs=1e-6)
    back = rows_of(adjusted_to(bars, stated, date(2025, 2, 21)), ("trading_day",))
    for day, prices in literal.items():
        assert float(back[day,]["close"]) == pytest.approx(prices[3], abs=1e-6)

    frames = _frames(raw, actions)
    assert find_faults(*frames) == []
    # With the split of 2021 left out of the prices before it, or in them twice:
    for power, kind in ((1, "split never applied"), (-1, "split applied twice")):
        wrong = [
            row | {name: row[name] * 4.0**power for name in ("open", "high", "low", "close")}
            if row["trading_day"] < first
            else row
            for row in raw
        ]
        (found,) = find_faults(*_frames(wrong, actions))
        assert (found.kind, found.ex_date, found.last) == (kind, first, date(2021, 7, 19))
        assert found.seen == pytest.approx(4.0**power, rel=0.02)


def _frames(bars: list[Row], actions: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(bars), pd.DataFrame(actions)
