"""Yahoo Finance -> minute bars and actions.

Belongs here: fetching minutes with yfinance, pre and post market included, and what their rows mean.
Does not belong here: daily bars (``yahoo``), finding out which minutes are missing (``publishers``).

Yahoo gives minutes of the last 30 days, 8 days in one answer. As with daily bars, prices are adjusted for the splits up
to the day of the fetch, so the answers reach until now and their actions come along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import BadRecord, NothingFetched
from stock_assets.domain.messages import Bar, encode, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session, session
from stock_assets.sources.fetched import Fetched
from stock_assets.sources.yahoo import SOURCE, TIMEOUT_S, add_actions
from stock_assets.sources.yahoo_exchanges import check_zone
from stock_assets.sources.yahoo_failures import ATTEMPTS, patiently, told_apart

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.sources.yahoo_session import NotingSession

MINUTE = timedelta(minutes=1)
MINUTE_GRACE = timedelta(minutes=2)
"""How long after its end a minute may still move: a margin, as Yahoo promises nothing."""
MINUTES_KEPT = timedelta(days=29) - timedelta(hours=2)
"""How far back minutes can be had: Yahoo's 30 days, less the midnight that a question begins with, and a changed clock."""
_PER_ANSWER = timedelta(days=7)


def fetch_minutes(
    symbol: str,
    begin: datetime,
    end: datetime,
    http: NotingSession,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    source: str = SOURCE,
    attempts: int = ATTEMPTS,
) -> Fetched:
    """Minute bars that start from ``begin`` to before ``end``, and all actions from that day until now.

    Args:
        source: what bars and actions say they are from.
        attempts: how often an answer is asked for, throttling and faults of the network provided.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        UnsupportedExchange: its exchange has another calendar than New York's.
        NothingFetched: it knows it, but has no minute in the range; it keeps 30 days.
        UnusableAnswer: it answers, but not with data.
        VendorThrottled: Yahoo still answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    import pandas as pd

    asked_at = now()
    frames: list[pd.DataFrame] = []
    currency = "USD"
    nothing: NothingFetched | None = None
    for period in _answers(begin, asked_at):
        try:
            frame, currency = patiently(attempts)(_ask, symbol, *period, http)
            frames.append(frame)
        except NothingFetched as answered:  # a week without sessions, or too long ago: the next answer may hold some
            nothing = answered
    fetched = Fetched()
    if frames:
        frame = pd.concat(frames)  # together, as a split of one answer changes the dividends of those before
        add_actions(fetched, symbol, frame, currency, instant(asked_at), source)
        for stamp, row in frame.iterrows():
            label: datetime = stamp.to_pydatetime().astimezone(EXCHANGE_ZONE)  # type: ignore[attr-defined]
            if begin <= label < end:
                _add_bar(fetched, symbol, label, row, currency, asked_at, source)
    if not any(isinstance(message, Bar) for message in fetched.messages):
        detail = fetched.refused[0] if fetched.refused else nothing
        raise NothingFetched(f"Yahoo has no minute of {symbol} {_said(begin, end)}: {detail}")
    return fetched


def _answers(begin: datetime, asked_at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Periods that Yahoo answers at once, from the midnight before ``begin`` until now."""
    first = datetime.combine(begin.astimezone(EXCHANGE_ZONE).date(), time(), EXCHANGE_ZONE)
    while first < asked_at:
        following = min(first + _PER_ANSWER, asked_at)
        yield first, following
        first = following


def _said(begin: datetime, end: datetime) -> str:
    return " ".join(
        f"{word} {moment.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}" for word, moment in (("from", begin), ("to", end))
    )


def _ask(symbol: str, begin: datetime, end: datetime, http: NotingSession) -> tuple[pd.DataFrame, str]:
    import yfinance as yf

    with told_apart(http, symbol, _said(begin, end)):
        ticker = yf.Ticker(symbol, session=http)
        frame = ticker.history(
            start=begin,
            end=end,
            interval="1m",
            prepost=True,
            auto_adjust=False,
            actions=True,
            keepna=True,
            timeout=TIMEOUT_S,
        )
    if frame.empty:
        raise NothingFetched(f"Yahoo answered for {symbol} without a single row {_said(begin, end)}")
    check_zone(symbol, str(frame.index[0].tz), frame.index[0])
    return frame, str(ticker.history_metadata.get("currency") or "USD")


def _add_bar(
    fetched: Fetched,
    symbol: str,
    label: datetime,
    row: pd.Series[Any],
    currency: str,
    asked_at: datetime,
    source: str,
) -> None:
    try:
        bar = _bar(symbol, label, row, currency, asked_at, source)
        encode(bar)
    except (BadRecord, ValueError) as broken:
        fetched.refused.append(f"{symbol} {label:%Y-%m-%d %H:%M}: {broken}")
    else:
        fetched.messages.append(bar)


def _bar(symbol: str, label: datetime, row: pd.Series[Any], currency: str, asked_at: datetime, source: str) -> Bar:
    """One row as a bar.

    Raises:
        BadRecord, ValueError: it cannot be one; the text says why.
    """
    prices = [float(row[name]) for name in ("Open", "High", "Low", "Close")]
    if not all(math.isfinite(price) and price > 0 for price in prices):
        raise BadRecord(f"open, high, low, close are {prices}")
    if not is_session(label.date()):
        raise BadRecord("the exchange has no session that day")
    held = session(label.date())
    if not held.pre_open_time <= label < held.post_close_time:
        raise BadRecord("the exchange is closed at that time")
    # The moving minute is labelled with the time of its last trade.
    start = label.replace(second=0, microsecond=0)
    volume = int(row["Volume"])
    regular = held.open_time <= label < held.close_time
    return Bar(
        symbol=symbol,
        interval="1m",
        trading_day=held.day,
        start_time=instant(start),
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        # Yahoo counts no shares in extended hours: unknown, not none.
        volume=volume if volume or regular else None,
        currency=currency,
        price_basis="split_adjusted",
        final=label == start and asked_at >= start + MINUTE + MINUTE_GRACE,
        source=source,
        known_at=instant(asked_at),
    )
