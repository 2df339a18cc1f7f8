"""daily bars shipped in the wheel ``bokeh_sampledata`` -> bars, actions, and simulated ticks of the last sessions.

Belongs here: the offline input of the demo: real daily bars (AAPL, FB, GOOG, IBM, MSFT, 2000-03-01 to 2013-03-01, as
traded, from Yahoo), splits and dividends inferred from them, and ticks that agree with them.
Does not belong here: publishing.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from importlib import resources
from importlib.util import find_spec
from itertools import pairwise

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.messages import Action, Message, Tick, instant
from stock_assets.domain.sessions import is_session, session
from stock_assets.sources.simulator import DayBar, daily_bar, session_ticks

SOURCE = "bokeh"
SIMULATED_SESSIONS = 3
SEED = 20130301
_SPLIT_FROM = 1.4
_DIVIDEND_FROM = 1.0008


@dataclass(frozen=True)
class _Row:
    day: date
    bar: DayBar
    adj_close: float


def shipped_messages(first: date) -> Iterator[Message]:
    """Actions, bars from ``first`` on, ticks of the last sessions, and two records that belong in quarantine."""
    by_symbol = _rows_by_symbol()
    for symbol, rows in by_symbol.items():
        yield from infer_actions(symbol, [(row.day, row.bar.close, row.adj_close) for row in rows])
    for rows in by_symbol.values():
        yield from (daily_bar(row.bar, SOURCE, row.adj_close) for row in rows if row.day >= first)
    for rows in by_symbol.values():
        for row in rows[-SIMULATED_SESSIONS:]:
            yield from session_ticks(row.bar, SEED)
    yield from _misplaced(by_symbol["IBM"][-1].bar)


def infer_actions(symbol: str, history: list[tuple[date, float, float]]) -> Iterator[Action]:
    """Splits and dividends that a vendor's adjusted closes imply; rows are (day, close, adjusted close), ascending.

    The ratio adjusted / close moves only with an action: a price may halve in a day (AAPL did on 2000-09-29) without
    one. A split moves it by its own ratio, a dividend by 1 / (1 - dividend / close before).
    """
    for (_, close, adjusted), (day, next_close, next_adjusted) in pairwise(history):
        step = (next_adjusted / next_close) / (adjusted / close)
        if step >= _SPLIT_FROM or step <= 1 / _SPLIT_FROM:
            kind, value, currency = "split", float(Fraction(step).limit_denominator(3)), None
        elif step >= _DIVIDEND_FROM:
            kind, value, currency = "dividend", round(close * (1 - 1 / step), 4), "USD"
        else:
            continue
        yield Action(
            symbol=symbol,
            ex_date=day,
            kind="split" if kind == "split" else "dividend",
            value=value,
            currency=currency,
            source=SOURCE,
            known_at=instant(session(day).open_time),
        )


def shipped_session(day: date) -> list[DayBar]:
    """The real bars of one session, one for each symbol that has one with volume."""
    return [row.bar for rows in _rows_by_symbol().values() for row in rows if row.day == day and row.bar.volume]


def require_data() -> None:
    """Refuse before anything else is asked for.

    Raises:
        PermanentError: the wheel with the data is not installed.
    """
    if find_spec("bokeh_sampledata") is None:
        raise PermanentError("The shipped history is part of the extra: pip install 'stock-assets[local]'")


def _rows_by_symbol() -> dict[str, list[_Row]]:
    require_data()
    packed = resources.files("bokeh_sampledata").joinpath("_data/stocks.csv.gz").read_bytes()
    found: dict[str, list[_Row]] = {}
    for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()):
        day = date.fromisoformat(row["Date"])
        prices = [float(row[name]) for name in ("Open", "High", "Low", "Close")]
        # Rounding left a few highs and lows a hundredth inside the close.
        opened, high, low, close = prices[0], max(prices), min(prices), prices[3]
        if is_session(day):
            bar = DayBar(row["Ticker"], day, opened, high, low, close, int(row["Volume"]))
            found.setdefault(row["Ticker"], []).append(_Row(day, bar, float(row["Adj Close"])))
    return {symbol: sorted(rows, key=lambda row: row.day) for symbol, rows in sorted(found.items())}


def _misplaced(bar: DayBar) -> Iterator[Tick]:
    """Two ticks of a Saturday: the exchange is closed, so they are rejected with that reason."""
    saturday = instant(session(bar.day).open_time + timedelta(days=5 - bar.day.weekday()))
    for number in range(2):
        yield Tick(
            symbol=bar.symbol,
            event_time=saturday + number,
            price=bar.close,
            currency="USD",
            source="simulator",
            event_id=f"{bar.symbol}/saturday/{number}",
            size=100,
        )
