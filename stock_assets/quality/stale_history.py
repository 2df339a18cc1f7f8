"""vendors' bars and actions as stated -> where a split is missing, counted twice, or out of date in the prices.

Belongs here: which statements are compared, and findings with numbers and what to run.
Does not belong here: reading (``lake.as_of``), showing (``defs``), the arithmetic (``price_levels``). Prices are never
rewritten here; a vendor's literals stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.splits import SAME_SPLIT_DAYS, Stated, actions_that_count, factor_of_statement, split_factor

if TYPE_CHECKING:
    import pandas as pd

NEAR = timedelta(days=30)
"""How far from a split a step by its ratio is taken for it: vendors miss the day by weeks, and markets halve prices too."""

Kind = Literal["stale history", "split applied twice", "split never applied", "two price levels"]


@dataclass(frozen=True)
class Finding:
    """One fault of a vendor's history.

    Attributes:
        ex_date, ratio: the split it is about, new shares per old share.
        first, last, sessions: the sessions whose prices are at fault.
        seen: the ratio found in the prices: of an older to a newer statement, of the sessions at fault to their
            neighbour, of the highest to the lowest price of the session.
        detail: what was found, in numbers.
        cure: what to run.
        at_fault: some price is wrong as traded; else it is only told, and nothing has to be done.
    """

    kind: Kind
    source: str
    symbol: str
    ex_date: date
    ratio: float
    first: date
    last: date
    sessions: int
    seen: float
    detail: str
    cure: str
    at_fault: bool = True


def find_faults(bars: pd.DataFrame, actions: pd.DataFrame) -> list[Finding]:
    """All findings, by symbol, source and split; none when no split is stated.

    Args:
        bars: accepted rows of RAW_BARS, every statement: source, symbol, interval, trading_day, start_time, open, high,
            low, close, volume, price_basis, final, known_at. Minute bars are looked at on the day of a split only.
        actions: accepted rows of RAW_ACTIONS: symbol, ex_date, kind, value, source, known_at.
    """
    stated: dict[str, list[Stated]] = {}
    row: Any  # pandas' rows have no types worth having
    for row in actions.itertuples():
        action = Stated(row.ex_date, row.kind, float(row.value), row.source, _instant(row.known_at))
        stated.setdefault(str(row.symbol), []).append(action)
    findings: list[Finding] = []
    for key, of_vendor in bars[bars["symbol"].isin(stated)].groupby(["symbol", "source"]):
        symbol, source = map(str, key)
        counting = actions_that_count(stated[symbol], source)
        told = _told(of_vendor, counting)
        daily = told[told["interval"] == "1d"]
        for split in (action for action in counting if action.kind == "split"):
            about = _About(symbol, source, split)
            findings += _stale(about, daily)
            findings += _misapplied(about, _newest(daily), counting)
            findings += _two_levels(about, _newest(told[told["trading_day"] == split.ex_date]))
    return findings


@dataclass(frozen=True)
class _About:
    """The split of one vendor's history that is looked at."""

    symbol: str
    source: str
    split: Stated

    def finding(self, kind: Kind, days: Sequence[date], seen: float, detail: str, cure: str = "") -> Finding:
        first, last = min(days), max(days)
        again = f"materialize sources/history with again=true for {first} to {last}"
        ex_date, ratio = self.split.ex_date, self.split.value
        return Finding(
            kind, self.source, self.symbol, ex_date, ratio, first, last, len(days), seen, detail, cure or again
        )


def _told(bars: pd.DataFrame, counting: Sequence[Stated]) -> pd.DataFrame:
    """The statements with ``factor`` to as-traded prices, so that the last one of a bar counts, as in ``lake.as_of``."""
    order = ["known_at", "final", "open", "high", "low", "close", "volume", "price_basis"]
    told = bars.sort_values(order, na_position="first")
    rows = zip(told["price_basis"], told["trading_day"], told["known_at"], strict=True)
    return told.assign(
        factor=[factor_of_statement(counting, basis, day, _instant(known)) for basis, day, known in rows]
    )


def _newest(told: pd.DataFrame) -> pd.DataFrame:
    """The statement that counts of each bar, by time; a daily bar is identified by its session."""
    bar = told.assign(minute=told["start_time"].where(told["interval"] == "1m"))
    newest = bar.drop_duplicates(["interval", "trading_day", "minute"], keep="last")
    return newest.sort_values(["trading_day", "start_time"])


def _stale(about: _About, daily: pd.DataFrame) -> Iterator[Finding]:
    """The vendor restated sessions by the split's ratio after it became known, and what was stated before stands on.

    A session that was fetched again is at fault where it is another price as traded than before. One that was not is on
    the vendor's old level; as traded that is right, so it is only told.
    """
    split = about.split
    unit, slack = math.log(split.value), abs(math.log(split.value)) / 10
    before = daily[(daily["price_basis"] == "split_adjusted") & (daily["trading_day"] < split.ex_date)]
    if not slack or before.empty:
        return
    before = before.assign(known_day=[_day(known) for known in before["known_at"]])
    newest = before.drop_duplicates("trading_day", keep="last").set_index("trading_day")
    older = before[before["known_day"] < split.ex_date]
    older = older.join(newest[["close", "factor", "known_at", "known_day"]].add_suffix("_new"), on="trading_day")
    due = split.ex_date - timedelta(days=SAME_SPLIT_DAYS)
    ratios: list[float] = []
    restated: dict[date, datetime] = {}
    disagree: set[date] = set()
    row: Any
    for row in older.itertuples():
        seen = row.close / row.close_new
        if row.known_at < row.known_at_new and row.known_day_new >= due and abs(math.log(seen) - unit) <= slack:
            ratios.append(seen)
            restated[row.trading_day] = row.known_at_new
            if abs(math.log(seen * row.factor / row.factor_new)) > slack:
                disagree.add(row.trading_day)
    if not restated:
        return
    since = min(restated.values())
    told: dict[Any, Any] = newest["known_at"].to_dict()
    left: set[date] = {day for day, known in told.items() if known < since and day not in restated}
    if left or disagree:
        found = about.finding(
            "stale history",
            sorted(disagree or left),
            sorted(ratios)[len(ratios) // 2],
            f"{len(restated)} sessions restated, {len(left)} not fetched again, {len(disagree)} differ as traded",
        )
        yield found if disagree else replace(found, at_fault=False, cure="nothing: they are right as traded")


def _misapplied(about: _About, newest: pd.DataFrame, counting: Sequence[Stated]) -> Iterator[Finding]:
    """Sessions around the split that stand on another level than the rest once splits and dividends are taken out."""
    import numpy as np

    from stock_assets.quality.price_levels import SMALLEST_RATIO, level_offsets, runs_of

    split = about.split
    if max(split.value, 1 / split.value) < SMALLEST_RATIO:
        return
    all_days = list(newest["trading_day"])
    near = newest[newest["trading_day"].between(split.ex_date - NEAR, split.ex_date + NEAR)]
    days = list(near["trading_day"])
    if len(days) < 2:
        return
    traded = (near["close"] * near["factor"]).to_numpy(np.float64)
    based = traded * np.array([split_factor(counting, day) for day in days])
    cash = [
        sum(a.value for a in counting if a.kind == "dividend" and before < a.ex_date <= day)
        for before, day in pairwise(days)
    ]
    steps = np.log(based[1:] / based[:-1])
    # A dividend that is misstated must not make a step: with or without it, whatever is smoother.
    paid = steps + np.log1p(np.array(cash) / traded[1:])
    steps = np.where(np.abs(paid) < np.abs(steps), paid, steps)
    ex_position = sum(day < split.ex_date for day in days)
    offsets = level_offsets(steps, split.value, ex_position)
    for first, following in runs_of(offsets):
        power = int(offsets[first])
        if not power:
            continue
        touched = days[first:following]
        if first == 0:
            # What is older is on the same level.
            touched = [day for day in all_days if day < days[0]] + touched
        edge = following - 1 if following < len(days) else first
        seen = math.exp(-steps[following - 1] if following < len(days) else steps[first - 1])
        yield about.finding(
            "split never applied" if power > 0 else "split applied twice",
            touched,
            seen,
            f"applied {1 - power} times: {days[edge]} stands at {seen:.4g} of its neighbour, "
            f"{split.value:g} to the power of {power}",
        )


def _two_levels(about: _About, session: pd.DataFrame) -> Iterator[Finding]:
    """Prices of the split's own session that stand where the session before did, or the other way round."""
    import numpy as np

    from stock_assets.quality.price_levels import SMALLEST_RATIO, powers_within

    ratio = about.split.value
    if max(ratio, 1 / ratio) < SMALLEST_RATIO:
        return
    for interval, bars in session.groupby("interval"):
        prices = bars[["open", "high", "low", "close"]].to_numpy(np.float64) * bars[["factor"]].to_numpy(np.float64)
        level = float(np.sort(prices[:, 3])[len(prices) // 2])  # a price there was: a mean of two levels is none
        powers = powers_within(prices, level, ratio)
        if not powers.any():
            continue
        astray = powers.any(axis=1)
        here, there = prices[powers == 0], prices[powers != 0]
        times = [
            _instant(moment).astimezone(EXCHANGE_ZONE).strftime("%H:%M") for moment in bars["start_time"].array[astray]
        ]
        yield about.finding(
            "two price levels",
            [about.split.ex_date],
            float(prices.max() / prices.min()),
            f"{int(astray.sum())} of {len(bars)} bars ({interval}, {times[0]} to {times[-1]}) hold prices of "
            f"{there.min():g} to {there.max():g}, the session's own are {here.min():g} to {here.max():g}",
            f"look at `stock-assets as-of {about.symbol} --day {about.split.ex_date} --interval {interval}`, then publish "
            "the session again on one level",
        )


def _day(known_at: Any) -> date:
    return _instant(known_at).astimezone(EXCHANGE_ZONE).date()


def _instant(stamp: Any) -> datetime:
    moment: datetime = stamp.to_pydatetime() if hasattr(stamp, "to_pydatetime") else stamp
    return moment
