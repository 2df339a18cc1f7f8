"""Yahoo Finance -> daily bars and actions.

Belongs here: fetching history with yfinance, one call per symbol, and telling its failures apart.
Does not belong here: publishing, and un-adjusting prices (``spark``): bars keep Yahoo's literals.

Yahoo adjusts prices and volumes for every split up to the day of the fetch, also those after the asked range; so each
call reaches to now, and the splits it brings are published with the bars.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import (
    BadRecord,
    NothingFetched,
    ServiceUnavailable,
    StockAssetsError,
    UnknownSymbol,
    VendorThrottled,
)
from stock_assets.domain.messages import Action, Bar, Message, encode, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, is_session, session

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "yahoo"
ATTEMPTS = 4
TIMEOUT_S = 10.0


@dataclass
class Fetched:
    """History of one symbol; ``refused`` says which rows could not be taken, and why."""

    messages: list[Message] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def fetch_history(
    symbol: str,
    first: date,
    last: date,
    http_session: Any = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Fetched:
    """Daily bars of the sessions from ``first`` to ``last``, and all actions from ``first`` until now.

    Throttling and faults of the network are retried with growing, jittered delays.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        NothingFetched: it knows it, but has no bar in the range.
        VendorThrottled: Yahoo still answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type((VendorThrottled, ServiceUnavailable)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=1, max=30),
        reraise=True,
    )
    frame, currency = retrying(_ask, symbol, first, http_session)
    fetched = _messages(symbol, frame, currency, last, now())
    if not any(isinstance(message, Bar) for message in fetched.messages):
        detail = f": {fetched.refused[0]}" if fetched.refused else ""
        raise NothingFetched(f"Yahoo has no daily bar of {symbol} from {first} to {last}{detail}")
    return fetched


def http_session(proxy: str, ca_bundle: str) -> Any:
    """A session through a proxy, or None for yfinance's own; empty texts mean none."""
    if not proxy and not ca_bundle:
        return None
    from curl_cffi import requests

    options: dict[str, Any] = {"verify": ca_bundle or True}
    if proxy:
        options["proxies"] = {"https": proxy, "http": proxy}
    return requests.Session(impersonate="chrome", **options)


def _ask(symbol: str, first: date, http_session: Any) -> tuple[pd.DataFrame, str]:
    import yfinance as yf
    from curl_cffi.requests.exceptions import RequestException
    from yfinance import exceptions
    from yfinance.data import YfData

    yf.config.debug.hide_exceptions = False
    # yfinance remembers answers, faults among them, for as long as the process lives.
    YfData.cache_get.cache_clear()
    try:
        ticker = yf.Ticker(symbol, session=http_session)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # yfinance's own use of pandas
            # keepna: a row without prices is refused by name, not dropped in silence.
            frame = ticker.history(
                start=first, interval="1d", auto_adjust=False, actions=True, keepna=True, timeout=TIMEOUT_S
            )
    except exceptions.YFRateLimitError as broken:
        raise VendorThrottled(
            f"Yahoo refuses {symbol}: too many requests (HTTP 429); ask for less, or later"
        ) from broken
    except (exceptions.YFTzMissingError, exceptions.YFPricesMissingError) as broken:
        raise _without_prices(symbol, first, broken) from broken
    except (exceptions.YFException, RequestException, ValueError, KeyError, TypeError) as broken:
        if getattr(getattr(broken, "response", None), "status_code", None) == 404:
            raise UnknownSymbol(f"Yahoo does not know {symbol} (HTTP 404)") from broken
        raise ServiceUnavailable(f"Yahoo did not answer for {symbol}: {type(broken).__name__}: {broken}") from broken
    if frame.empty:
        raise NothingFetched(f"Yahoo answered for {symbol} without a single row from {first} on")
    return frame, str(ticker.history_metadata.get("currency") or "USD")


def _without_prices(symbol: str, first: date, broken: Exception) -> StockAssetsError:
    """What it means that yfinance found no time zone or no prices; its own text guesses "delisted" each time."""
    reason = getattr(broken, "yahoo_reason", None)
    if reason is None and hasattr(broken, "yahoo_reason"):
        return NothingFetched(f"Yahoo answered for {symbol} without a single row from {first} on")
    if reason is None or "delisted" in reason or "Not Found" in reason:
        return UnknownSymbol(f"Yahoo does not know {symbol} ({reason or 'it has no time zone for it'})")
    if "Data doesn't exist" in reason:
        return NothingFetched(f"Yahoo has no prices of {symbol} from {first} on ({reason})")
    return ServiceUnavailable(f"Yahoo did not answer for {symbol}: {reason}")


def _messages(symbol: str, frame: pd.DataFrame, currency: str, last: date, now: datetime) -> Fetched:
    fetched = Fetched()
    known_at = instant(now)
    splits = {_day(stamp): float(value) for stamp, value in frame["Stock Splits"].items() if value}
    for day, value in splits.items():
        fetched.messages.append(
            Action(symbol=symbol, ex_date=day, kind="split", value=value, source=SOURCE, known_at=known_at)
        )
    for stamp, row in frame.iterrows():
        day = _day(stamp)
        if row["Dividends"]:
            # Yahoo divides a dividend by the splits after it; the cash paid per share then is what happened.
            paid = float(row["Dividends"]) * math.prod(ratio for split, ratio in splits.items() if split > day)
            fetched.messages.append(
                Action(
                    symbol=symbol,
                    ex_date=day,
                    kind="dividend",
                    value=round(paid, 6),
                    currency=currency,
                    source=SOURCE,
                    known_at=known_at,
                )
            )
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
