"""a symbol's sessions -> what stands beside its candles.

Belongs here: volume profile, momentum, marks of splits, dividends and patterns: computed from rows alone.
Does not belong here: reading (``data``), drawing (``symbol``, ``candles``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stock_assets.dashboard.figures import records
from stock_assets.domain.splits import Stated, actions_that_count
from stock_assets.domain.universe import Universe
from stock_assets.reading.base_rates import BaseRate
from stock_assets.reading.companies import company_of

if TYPE_CHECKING:
    import pandas as pd

RANGES = ("1M", "3M", "6M", "YTD", "1Y", "5Y", "Max")
_DAYS = {"1M": 31, "3M": 92, "6M": 183, "1Y": 366, "5Y": 1827}
LEVELS = 24
SPANS = (("1 week", 5), ("1 month", 21), ("3 months", 63), ("6 months", 126), ("1 year", 252))


def held_name(asked: str, held: Sequence[str], universe: Universe | None) -> str | None:
    """The name under which the lake holds the symbol, in any case of letters or by another name of its company."""
    if asked in held:
        return asked  # as with every refresh of the page
    of_company = {company_of(name, universe): name for name in held}
    for name in (asked, asked.upper()):
        if name in held:
            return name
        if company_of(name, universe) in of_company:
            return of_company[company_of(name, universe)]
    return None


@dataclass(frozen=True)
class Level:
    """Shares that were traded between two prices."""

    low: float
    high: float
    volume: float


@dataclass(frozen=True)
class Momentum:
    """Percent that the close moved over a number of sessions; None when there are not so many."""

    label: str
    percent: float | None


@dataclass(frozen=True)
class ActionMark:
    """A split or dividend on its first session, or a session's patterns (``kind`` is their direction); ``text`` is short."""

    day: date
    kind: str
    text: str


def first_shown(days: pd.Series[Any], wanted: str) -> int:
    """Position of the first session of a range that ends with the newest one; ``days`` ascend."""
    if wanted == "Max" or not len(days):
        return 0
    newest = days.iloc[-1].date()
    first = date(newest.year, 1, 1) if wanted == "YTD" else newest - timedelta(days=_DAYS[wanted])
    return int(days.searchsorted(days.iloc[-1].__class__(first)))


def volume_profile(rows: pd.DataFrame, levels: int = LEVELS) -> list[Level]:
    """Shares by price, lowest first: each session's volume is spread evenly from its low to its high."""
    import numpy as np

    known = rows.dropna(subset=["low", "high", "volume"])
    if known.empty:
        return []
    low, high = known["low"].to_numpy(float), known["high"].to_numpy(float)
    volume = known["volume"].to_numpy(float)
    bottom, top = float(low.min()), float(high.max())
    if bottom == top:
        return [Level(bottom, top, float(volume.sum()))]
    edges = np.linspace(bottom, top, levels + 1)
    found = []
    for floor, ceiling in pairwise(edges):
        span = high - low
        inside = np.clip(np.minimum(high, ceiling) - np.maximum(low, floor), 0, None)
        # a session at one price belongs to the level that holds it, the topmost to the last one
        at = (low >= floor) & ((low < ceiling) | ((ceiling == top) & (low == top)))
        share = np.where(span > 0, inside / np.where(span > 0, span, 1), at.astype(float))
        found.append(Level(float(floor), float(ceiling), float((share * volume).sum())))
    return found


def momentum(closes: pd.Series[Any]) -> list[Momentum]:
    """How far the last close is from those before it; prices must be in one basis."""
    found = []
    for label, sessions in SPANS:
        before = float(closes.iloc[-1 - sessions]) if len(closes) > sessions else None
        percent = None if not before else 100 * (float(closes.iloc[-1]) / before - 1)
        found.append(Momentum(label, percent))
    return found


def action_marks(actions: pd.DataFrame, vendor: str) -> list[ActionMark]:
    """The statements that count, by day; of ``vendor`` where it states any, else of all."""
    import pandas as pd

    stated = [
        Stated(pd.Timestamp(row["ex_date"]).date(), row["kind"], row["value"], row["source"], row["known_at"])
        for row in records(actions)
    ]
    return [
        ActionMark(each.ex_date, each.kind, _said(each.kind, float(each.value)))
        for each in actions_that_count(stated, vendor)
    ]


def pattern_marks(patterns: pd.DataFrame, rates: Mapping[str, BaseRate]) -> list[ActionMark]:
    """One mark per day, of the direction that all its patterns share, else neutral; each pattern with how often it is seen."""
    found: dict[date, list[tuple[str, str]]] = {}
    for row in sorted(records(patterns), key=lambda row: row["pattern"]):
        rate = f", on {rates[row['pattern']]} of all days" if row["pattern"] in rates else ""
        words = f"{row['pattern'].replace('_', ' ')}{rate}"
        found.setdefault(row["trading_day"].date(), []).append((row["direction"], words))
    marks = []
    for day, seen in sorted(found.items()):
        (direction, *others) = sorted({each for each, _ in seen})
        marks.append(ActionMark(day, "neutral" if others else direction, "; ".join(words for _, words in seen)))
    return marks


def _said(kind: str, value: float) -> str:
    if kind == "dividend":
        return f"dividend {value:g}"
    return f"split {value:g}:1" if value >= 1 else f"split 1:{1 / value:g}"
