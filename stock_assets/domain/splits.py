"""statements about splits and dividends -> those that count, and the factors that follow from them.

Belongs here: the rule in plain Python, for a few rows at a time; ``spark/actions.py`` says the same to Spark, and a test
holds the two equal; and which columns a factor changes.
Does not belong here: reading statements (``lake``), and what is done to many prices with a factor (``spark``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from stock_assets.domain.sessions import EXCHANGE_ZONE

SAME_SPLIT_DAYS = 7
"""Two splits of one ratio at most so many days (five sessions) apart are one, placed differently: of two vendors, of which
one says the day of payment, or of one vendor that moved the day. Nobody splits by the same ratio twice in a week."""

SAME_RATIO = 0.01
"""How far apart, of themselves, two ratios may be and still be the same (0.3333 and 1/3)."""

PRICE_COLUMNS = frozenset(
    {
        "open", "high", "low", "close", "vwap", "previous_close", "change", "day_range", "sma_5", "sma_20", "sma_50",
        "sma_200", "macd", "macd_signal", "macd_histogram", "bollinger_upper", "bollinger_lower", "high_52_week",
        "low_52_week",
    }
)  # fmt: skip
"""Columns of derived tables that a split divides."""

VOLUME_COLUMNS = frozenset({"volume", "average_volume_20"})
"""Columns of derived tables that a split multiplies."""


class Stated(NamedTuple):
    """What a vendor said of one action of a symbol; ``value`` is new shares per old share, or cash per share."""

    ex_date: date
    kind: str
    value: float
    source: str
    known_at: datetime


def actions_that_count(stated: Iterable[Stated], vendor: str) -> list[Stated]:
    """A symbol's actions as ``vendor`` states them when it states any, else those of all vendors; ascending, each once.

    Of several statements on the same ex-date and kind the newest known_at counts (of equally new ones the larger value,
    then source). Of splits of the same ratio within SAME_SPLIT_DAYS the newest counts, of equally new ones the later.
    """
    everything = list(stated)
    newest: dict[tuple[date, str], Stated] = {}
    for action in [a for a in everything if a.source == vendor] or everything:
        known = newest.get((action.ex_date, action.kind))
        if known is None or _newer(known) < _newer(action):
            newest[action.ex_date, action.kind] = action
    chosen = sorted(newest.values())
    return [action for action in chosen if not any(_replaces(other, action) for other in chosen)]


def split_factor(actions: Iterable[Stated], until: date, after: date | None = None) -> float:
    """New shares per old share of the splits with ``after`` < ex_date <= ``until``; 1.0 without any."""
    factor = 1.0
    for action in actions:
        if action.kind == "split" and action.ex_date <= until and (after is None or action.ex_date > after):
            factor *= action.value
    return factor


def factor_of_statement(actions: Sequence[Stated], price_basis: str, trading_day: date, known_at: datetime) -> float:
    """What a vendor's price must be multiplied by to be as traded: only splits it knew when it spoke are in it."""
    return split_factor(actions, known_day(known_at), trading_day) if price_basis == "split_adjusted" else 1.0


def known_day(known_at: datetime) -> date:
    """The exchange-local day of an instant."""
    return known_at.astimezone(EXCHANGE_ZONE).date()


def _newer(action: Stated) -> tuple[datetime, float, str]:
    return action.known_at, action.value, action.source


def _replaces(other: Stated, action: Stated) -> bool:
    """Whether ``other`` is the same split, said more lately."""
    return (
        other.kind == action.kind == "split"
        and abs((other.ex_date - action.ex_date).days) <= SAME_SPLIT_DAYS
        and abs(other.value - action.value) <= SAME_RATIO * action.value
        and (other.known_at, other.ex_date) > (action.known_at, action.ex_date)
    )
