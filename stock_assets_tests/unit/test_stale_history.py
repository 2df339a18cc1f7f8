"""Splits that are missing, twice, stale or mixed in vendors' prices: planted ones, and those of real recordings."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.domain.sessions import sessions_between
from stock_assets.quality.stale_history import Finding, find_faults

RECORDED = Path(__file__).parents[3] / "shared" / "data"
NEW_YORK = ZoneInfo("America/New_York")
DAYS = sessions_between(date(2024, 1, 2), date(2024, 4, 1))[:60]
RATIOS = [2.0, 3.0, 4.0, 7.0, 10.0, 1.5, 0.5, 0.1]
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings at {RECORDED}")


@cache
def at(day: date, clock: str = "21:00") -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def bar(day: date, prices: float | Sequence[float], known_at: datetime, **given: Any) -> dict[str, Any]:
    opened, high, low, close = prices if isinstance(prices, Sequence) else [prices] * 4
    return {
        "source": "yahoo",
        "symbol": "X",
        "interval": "1d",
        "trading_day": day,
        "start_time": at(day, "09:30"),
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "volume": 1000,
        "price_basis": "split_adjusted",
        "final": True,
        "known_at": known_at,
        **given,
    }


def split(ex_date: date, value: float, **given: Any) -> dict[str, Any]:
    known = {"symbol": "X", "kind": "split", "source": "yahoo", "known_at": at(ex_date, "08:00")}
    return {**known, "ex_date": ex_date, "value": value, **given}


def faults(bars: list[dict[str, Any]], actions: list[dict[str, Any]]) -> list[Finding]:
    return find_faults(pd.DataFrame(bars).sample(frac=1, random_state=1), pd.DataFrame(actions))


moves = st.lists(st.floats(0.975, 1.025), min_size=len(DAYS), max_size=len(DAYS))
ratios = st.sampled_from(RATIOS)
positions = st.integers(10, len(DAYS) - 5)


def adjusted(moves: list[float]) -> list[float]:
    """Closes as a vendor gives them after the split."""
    closes = [100.0]
    for move in moves[1:]:
        closes.append(closes[-1] * move)
    return closes


@settings(max_examples=25)
@given(moves, ratios, positions)
def test_sound_histories_are_silent(moves: list[float], ratio: float, ex: int) -> None:
    closes, later, earlier = adjusted(moves), at(DAYS[-1]), at(DAYS[ex - 1])
    actions = [split(DAYS[ex], ratio)]
    fetched_once = [bar(day, close, later) for day, close in zip(DAYS, closes, strict=True)]
    traded = [close * (ratio if n < ex else 1) for n, close in enumerate(closes)]
    as_traded = [bar(d, p, later, price_basis="as_traded") for d, p in zip(DAYS, traded, strict=True)]
    day_by_day = [bar(day, price, at(day)) for day, price in zip(DAYS, traded, strict=True)]
    in_two = [bar(DAYS[n], traded[n] if n < ex else closes[n], earlier if n < ex else later) for n in range(len(DAYS))]
    again = [*in_two, *fetched_once]
    for bars in (fetched_once, as_traded, day_by_day, in_two, again):
        assert faults(bars, actions) == []
    assert find_faults(pd.DataFrame(fetched_once), pd.DataFrame(actions).iloc[:0]) == []


@settings(max_examples=40)
@given(moves, ratios, positions, st.integers(0, 6), st.sampled_from([1, -1]), st.booleans())
def test_a_split_that_is_missing_or_twice_is_found_with_its_sessions(
    moves: list[float], ratio: float, ex: int, early: int, power: int, whole: bool
) -> None:
    """The fault ends at the split or some sessions before; it began with the history, or is of some sessions only."""
    first, following = (0 if whole else ex - early - 3), ex - early
    bars = [
        bar(day, close * (ratio**power if first <= n < following else 1), at(DAYS[-1]))
        for n, (day, close) in enumerate(zip(DAYS, adjusted(moves), strict=True))
    ]
    (found,) = faults(bars, [split(DAYS[ex], ratio)])
    assert found.kind == ("split never applied" if power == 1 else "split applied twice")
    assert (found.source, found.symbol, found.ex_date, found.ratio) == ("yahoo", "X", DAYS[ex], ratio)
    assert (found.first, found.last, found.sessions) == (DAYS[first], DAYS[following - 1], following - first)
    assert found.seen == pytest.approx(ratio**power, rel=0.03)
    assert found.cure == f"materialize sources/history with again=true for {found.first} to {found.last}"


@settings(max_examples=25)
@given(moves, ratios, positions, st.integers(1, 8))
def test_history_before_a_restated_part_is_told_and_no_fault(
    moves: list[float], ratio: float, ex: int, restated: int
) -> None:
    closes = adjusted(moves)
    before = [bar(DAYS[n], closes[n] * ratio, at(DAYS[ex - 1])) for n in range(ex)]
    after = [bar(DAYS[n], closes[n], at(DAYS[-1])) for n in range(ex - restated, len(DAYS))]
    (found,) = faults(before + after, [split(DAYS[ex], ratio)])
    assert (found.kind, found.first, found.last) == ("stale history", DAYS[0], DAYS[ex - restated - 1])
    assert found.seen == pytest.approx(ratio)
    assert found.detail == f"{restated} sessions restated, {ex - restated} not fetched again, 0 differ as traded"
    assert not found.at_fault and found.cure == "nothing: they are right as traded"


def test_statements_that_differ_as_traded_are_found() -> None:
    """The vendor divided on the eve of the split: by the rule, that statement was not yet adjusted."""
    ex, closes = 40, [100.0 + n % 3 for n in range(60)]
    bars = [bar(DAYS[n], closes[n] * 4, at(DAYS[n])) for n in range(ex)]
    bars += [bar(DAYS[n], closes[n], at(DAYS[ex - 1], "23:00")) for n in range(ex)]
    bars += [bar(DAYS[n], closes[n], at(DAYS[n])) for n in range(ex, 60)]
    found = {finding.kind: finding for finding in faults(bars, [split(DAYS[ex], 4.0)])}
    assert found.keys() == {"stale history", "split applied twice"}
    assert found["stale history"].detail == "40 sessions restated, 0 not fetched again, 40 differ as traded"
    assert found["stale history"].sessions == 40 and found["stale history"].at_fault
    # Once it is fetched again after the split, all is well.
    bars += [bar(DAYS[n], closes[n], at(DAYS[-1])) for n in range(ex)]
    assert faults(bars, [split(DAYS[ex], 4.0)]) == []


def test_an_outlier_at_the_newest_end_does_not_accuse_the_history() -> None:
    closes = [100.0] * 44 + [25.0]
    bars = [bar(day, close, at(DAYS[44])) for day, close in zip(DAYS, closes, strict=False)]
    (found,) = faults(bars, [split(DAYS[43], 4.0)])
    assert (found.kind, found.first, found.sessions) == ("split applied twice", DAYS[44], 1)


def test_what_begins_at_the_split_is_right_however_short() -> None:
    bars = [bar(day, 400.0 if n < 43 else 100.0, at(DAYS[44])) for n, day in enumerate(DAYS[:45])]
    (found,) = faults(bars, [split(DAYS[43], 4.0)])
    assert (found.kind, found.first, found.last) == ("split never applied", DAYS[0], DAYS[42])


def test_market_moves_are_no_splits() -> None:
    """AAPL fell by half on 2000-09-29, three months after a 2:1 split; a stock dividend of a tenth is not looked at."""
    bars = [bar(day, 100.0 if n < 50 else 50.0, at(DAYS[-1])) for n, day in enumerate(DAYS)]
    assert faults(bars, [split(DAYS[10], 2.0)]) == []
    bars = [bar(day, 100.0 if n < 50 else 91.0, at(DAYS[-1])) for n, day in enumerate(DAYS)]
    assert faults(bars, [split(DAYS[51], 1.1)]) == []
    # A special dividend and a consolidation in one: the price stays, and both explain it.
    bars = [bar(day, 460.0 if n < 50 else 230.0, at(DAYS[-1])) for n, day in enumerate(DAYS)]
    paid = split(DAYS[50], 230.0, kind="dividend")
    assert faults(bars, [split(DAYS[50], 0.5), paid]) == []
    assert faults(bars, [split(DAYS[50], 0.5)]) != []


@settings(max_examples=25)
@given(ratios, st.sets(st.integers(0, 57), max_size=28), st.randoms(use_true_random=False))
def test_minutes_on_the_old_level_are_found_on_the_day_of_the_split(
    ratio: float, astray: set[int], random: Random
) -> None:
    day = DAYS[30]
    given = {"interval": "1m", "price_basis": "as_traded"}
    bars = [
        bar(
            day,
            100 * random.uniform(0.985, 1.015) * (ratio if n in astray else 1),
            at(day, "20:30"),
            start_time=at(day, "09:30") + timedelta(minutes=n),
            **given,
        )
        for n in range(58)
    ]
    found = faults(bars, [split(day, ratio)])
    assert len(found) == bool(astray)
    for finding in found:
        assert (finding.kind, finding.first, finding.last) == ("two price levels", day, day)
        assert finding.detail.startswith(f"{len(astray)} of 58 bars (1m, ")
    assert faults(bars, [split(DAYS[29], ratio)]) == []


# ------------------------------------------------------------------------------------------------ recordings


def yahoo(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A recorded answer of Yahoo's, as if fetched the day after its last row."""
    with (RECORDED / "yfinance_tests" / f"{name}.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    days = [date.fromisoformat((row.get("Date") or row["Datetime"])[:10]) for row in rows]
    known_at = at(max(days) + timedelta(days=1))
    prices = ("Open", "High", "Low", "Close")
    bars = [
        bar(day, [float(row[n]) for n in prices], known_at)
        for day, row in zip(days, rows, strict=True)
        if all(row[n] and float(row[n]) > 0 for n in prices)
    ]
    actions = [
        split(day, float(row[column]), kind=kind, known_at=known_at)
        for day, row in zip(days, rows, strict=True)
        for column, kind in (("Stock Splits", "split"), ("Dividends", "dividend"))
        if float(row.get(column) or 0)
    ]
    return bars, actions


BAD_SPLITS = {
    "4063-T": ("split never applied", "2023-03-15", "2023-03-28", 9, 4.92),
    "MOB-ST": ("split never applied", "2023-05-22", "2023-05-22", 1, 0.101),
    "SPM-MI": ("split applied twice", "2022-06-01", "2022-06-17", 13, 19.3),
    "CNE-L": ("split never applied", "2023-05-09", "2023-05-09", 1, 0.478),
    "ALPHA-PA": ("split never applied", "2023-05-08", "2023-05-08", 1, 0.0001),
    "DEX-AX": ("split never applied", "2023-05-01", "2023-05-19", 15, 0.441),
    "LA-V": ("split never applied", "2020-08-26", "2020-08-26", 1, 0.101),
}


@recorded
@pytest.mark.parametrize("name", BAD_SPLITS)
def test_yahoos_bad_splits_are_found_and_their_repaired_twins_are_silent(name: str) -> None:
    kind, first, last, sessions, seen = BAD_SPLITS[name]
    (found,) = faults(*yahoo(f"{name}-1d-bad-stock-split"))
    assert (found.kind, str(found.first), str(found.last), found.sessions) == (kind, first, last, sessions)
    assert found.seen == pytest.approx(seen, rel=0.01)
    assert faults(*yahoo(f"{name}-1d-bad-stock-split-fixed")) == []


@recorded
@pytest.mark.parametrize(
    "name", ["AET-L-1d-100x-error", "SSW-JO-1d-100x-error", "SSNLF-1d-bad-div", "CALM-1d-no-bad-divs"]
)
def test_other_bad_data_is_no_split_even_where_one_is_stated(name: str) -> None:
    bars, actions = yahoo(name)
    middle = sorted(row["trading_day"] for row in bars)[len(bars) // 2]
    assert faults(bars, [*actions, split(middle, 3.0)]) == []


def aapl_daily(first: str = "1998") -> list[tuple[date, list[float]]]:
    with zipfile.ZipFile(RECORDED / "lean" / "usa" / "daily" / "aapl.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    fields = [line.split(",") for line in lines if line >= first]
    return [(datetime.strptime(f[0][:8], "%Y%m%d").date(), [int(p) / 10_000 for p in f[1:5]]) for f in fields]


AAPL_SPLITS = [
    split(date(2000, 6, 21), 2.0),
    split(date(2005, 2, 28), 2.0),
    split(date(2014, 6, 9), 7.0),
    split(date(2020, 8, 31), 4.0),
]


@recorded
def test_aapl_as_traded_is_silent_and_said_to_be_adjusted_it_lacks_every_split() -> None:
    rows = aapl_daily()
    known_at = at(date(2021, 4, 1))
    sound = [bar(day, prices, known_at, price_basis="as_traded") for day, prices in rows]
    assert faults(sound, AAPL_SPLITS) == []
    found = faults([row | {"price_basis": "split_adjusted"} for row in sound], AAPL_SPLITS)
    assert [(f.kind, f.ex_date, f.ratio) for f in found] == [
        ("split never applied", action["ex_date"], action["value"]) for action in AAPL_SPLITS
    ]
    for finding in found:
        assert finding.sessions == sum(day < finding.ex_date for day, _ in rows)
        assert finding.last == max(day for day, _ in rows if day < finding.ex_date)


@recorded
def test_the_session_of_aapls_split_mixes_two_levels() -> None:
    bars = []
    for day in (date(2014, 6, 5), date(2014, 6, 6), date(2014, 6, 9)):
        with zipfile.ZipFile(RECORDED / "lean" / "usa" / "minute" / "aapl" / f"{day:%Y%m%d}_trade.zip") as archive:
            lines = archive.read(archive.namelist()[0]).decode().splitlines()
        for line in lines:
            millis, *prices = [int(field) for field in line.split(",")][:5]
            start = at(day, "00:00") + timedelta(milliseconds=millis)
            given = {"interval": "1m", "start_time": start, "price_basis": "as_traded", "source": "algoseek"}
            bars.append(bar(day, [price / 10_000 for price in prices], at(day, "20:30"), **given))
    (found,) = faults(bars, AAPL_SPLITS)
    assert (found.kind, found.source, found.first, found.last) == (
        *("two price levels", "algoseek"),
        *[date(2014, 6, 9)] * 2,
    )
    assert found.detail == (
        "1 of 834 bars (1m, 04:00 to 04:00) hold prices of 645.57 to 645.57, the session's own are 91.73 to 93.88"
    )
    assert found.seen == pytest.approx(645.57 / 91.73)
    sound = [row for row in bars if row["high"] < 100 or row["trading_day"] < date(2014, 6, 9)]
    assert len(sound) == len(bars) - 1 and faults(sound, AAPL_SPLITS) == []
