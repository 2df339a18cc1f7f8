"""Yahoo Finance -> daily bars and actions.

Belongs here: fetching daily history with yfinance, one call per symbol, and what its rows mean.
Does not belong here: what its failures mean (``yahoo_failures``), minutes (``yahoo_minutes``), publishing, and
un-adjusting prices (``spark``): bars keep Yahoo's literals.

Yahoo adjusts prices and volumes for every split up to the day of the fetch, also those after the asked range; so each
call reaches to now, and the splits it brings are published with the bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import BadRecord, NothingFetched
from stock_assets.domain.messages import Action, Bar, encode, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, is_session, session
from stock_assets.sources.fetched import Fetched
from stock_assets.sources.yahoo_exchanges import check_zone
from stock_assets.sources.yahoo_failures import patiently, told_apart

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.sources.yahoo_session import NotingSession

SOURCE = "yahoo"
TIMEOUT_S = 10.0


def fetch_history(
    symbol: str,
    first: date,
    last: date,
    http: NotingSession,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Fetched:
    """Daily bars of the sessions from ``first`` to ``last``, and all actions from ``first`` until now.

    Throttling and faults of the network are retried with growing, jittered delays.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        UnsupportedExchange: its exchange has another calendar than New York's.
        NothingFetched: it knows it, but has no bar in the range.
        UnusableAnswer: it answers, but not with data.
        VendorThrottled: Yahoo still answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    frame, currency = patiently()(_ask, symbol, first, http)
    fetched = _messages(symbol, frame, currency, last, now())
    if not any(isinstance(message, Bar) for message in fetched.messages):
        detail = f": {fetched.refused[0]}" if fetched.refused else ""
        raise NothingFetched(f"Yahoo has no daily bar of {symbol} from {first} to {last}{detail}")
    return fetched


def add_actions(
    fetched: Fetched, symbol: str, frame: pd.DataFrame, currency: str, known_at: int, source: str = SOURCE
) -> None:
    """Take the splits and dividends among the rows of an answer, which must reach until now; refuse others by name."""
    splits = {_day(stamp): float(value) for stamp, value in frame["Stock Splits"].items() if value}
    for day, value in splits.items():
        _add(fetched, Action(symbol=symbol, ex_date=day, kind="split", value=value, source=source, known_at=known_at))
    for stamp, value in frame["Dividends"].items():
        if value:
            day = _day(stamp)
            # Yahoo divides a dividend by the splits after it; the cash paid per share then is what happened.
            paid = float(value) * math.prod(ratio for split, ratio in splits.items() if split > day and _usable(ratio))
            _add(
                fetched,
                Action(
                    symbol=symbol,
                    ex_date=day,
                    kind="dividend",
                    value=round(paid, 6),
                    currency=currency,
                    source=source,
                    known_at=known_at,
                ),
            )


def _usable(ratio: float) -> bool:
    return math.isfinite(ratio) and ratio > 0


def _add(fetched: Fetched, action: Action) -> None:
    said = f"{action.symbol} {action.ex_date}: {action.kind}"
    if action.kind == "split" and not _usable(action.value):
        fetched.refused.append(f"{said} of {action.value} is no ratio")
        return
    try:
        encode(action)
    except (BadRecord, ValueError) as broken:
        fetched.refused.append(f"{said}: {broken}")
    else:
        fetched.messages.append(action)


def _ask(symbol: str, first: date, http: NotingSession) -> tuple[pd.DataFrame, str]:
    import yfinance as yf

    with told_apart(http, symbol, f"from {first} on"):
        ticker = yf.Ticker(symbol, session=http)
        # keepna: a row without prices is refused by name, not dropped in silence.
        frame = ticker.history(
            start=first, interval="1d", auto_adjust=False, actions=True, keepna=True, timeout=TIMEOUT_S
        )
    if frame.empty:
        raise NothingFetched(f"Yahoo answered for {symbol} without a single row from {first} on")
    check_zone(symbol, str(frame.index[0].tz), frame.index[0])
    return frame, str(ticker.history_metadata.get("currency") or "USD")


def _messages(symbol: str, frame: pd.DataFrame, currency: str, last: date, now: datetime) -> Fetched:
    fetched = Fetched()
    add_actions(fetched, symbol, frame, currency, instant(now))
    for stamp, row in frame.iterrows():
        day = _day(stamp)
        if day > last:
            continue
        try:
            bar = _bar(symbol, day, row, currency, now)
            encode(bar)
        except (BadRecord, ValueError) as broken:
            fetched.refused.append(f"{symbol} {day}: {broken}")
        else:
            fetched.messages.append(bar)
    return fetched


def _bar(symbol: str, day: date, row: pd.Series[Any], currency: str, now: datetime) -> Bar:
    """One row as a bar.

    Raises:
        BadRecord, ValueError: it cannot be one; the text says why.
    """
    prices = [float(row[name]) for name in ("Open", "High", "Low", "Close")]
    if not all(math.isfinite(price) and price > 0 for price in prices):
        raise BadRecord(f"open, high, low, close are {prices}")
    if not is_session(day):
        raise BadRecord("the exchange has no session that day")
    held = session(day)
    adjusted = float(row["Adj Close"])
    return Bar(
        symbol=symbol,
        interval="1d",
        trading_day=day,
        start_time=instant(held.open_time),
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=int(row["Volume"]) if math.isfinite(row["Volume"]) else None,
        currency=currency,
        price_basis="split_adjusted",
        final=now >= held.close_time + CLOSING_PRINT_GRACE + timedelta(minutes=5),
        source=SOURCE,
        known_at=instant(now),
        adj_close=adjusted if math.isfinite(adjusted) else None,
    )


def _day(stamp: Any) -> date:
    """The exchange-local date of a row's label."""
    day: date = stamp.tz_convert(EXCHANGE_ZONE).date()
    return day
