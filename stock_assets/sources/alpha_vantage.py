"""Alpha Vantage -> daily bars, minute bars, provisional daily bars.

Belongs here: the three questions that are asked, and their rows as bars with the vendor's literals.
Does not belong here: requests and limits (``alpha_vantage_client``), publishing.

All prices are asked for as traded. The vendor names no currency: these are listings in US dollars.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

from stock_assets.domain.errors import BadRecord, NothingFetched, UnknownSymbol
from stock_assets.domain.messages import Bar, encode, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, is_session, session
from stock_assets.domain.shares import read_shares
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient
from stock_assets.sources.bar_labels import MINUTE, check_labels, start_of
from stock_assets.sources.fetched import Fetched

SOURCE = "alpha_vantage"
SETTLED_AFTER = CLOSING_PRINT_GRACE + timedelta(minutes=5)
"""How long after its end a bar may still move."""
COMPACT_ROWS = 100
_ZONES = ("US/Eastern", EXCHANGE_ZONE.key)
_PRICES = ("1. open", "2. high", "3. low", "4. close")

log = logging.getLogger(__name__)


def fetch_daily(client: AlphaVantageClient, symbol: str, first: date, last: date) -> Fetched:
    """Daily bars of the sessions from ``first`` to ``last``; compact history reaches back 100 sessions only.

    Raises:
        NothingFetched: the vendor has no bar in the range.
        InvalidKey, PremiumOnly, UnknownSymbol, VendorThrottled, ServiceUnavailable: as ``AlphaVantageClient.ask``.
    """
    size = "full" if client.settings.full_history else "compact"
    answer = client.ask(symbol, "TIME_SERIES_DAILY", "Time Series (Daily)", outputsize=size)
    _same_symbol(symbol, answer["meta"])
    rows, now = answer["data"], client.now()
    oldest = min(rows, default="")
    if size == "compact" and len(rows) >= COMPACT_ROWS and oldest > str(first):
        log.warning(
            "%s: compact history begins on %s, not on %s; set ALPHA_VANTAGE_HISTORY=full", symbol, oldest, first
        )

    def bar(label: str, row: Mapping[str, str]) -> Bar | None:
        day = date.fromisoformat(label)
        return _daily_bar(symbol, day, _figures(row), now) if first <= day <= last else None

    fetched = _taken(symbol, rows, bar)
    if not fetched.messages:
        raise NothingFetched(f"Alpha Vantage has no daily bar of {symbol} from {first} to {last}{_because(fetched)}")
    return fetched


def fetch_quote(client: AlphaVantageClient, symbol: str) -> Fetched:
    """The newest session so far as a provisional daily bar; it has no time of day.

    Raises:
        UnknownSymbol: the vendor has no quote of it.
        InvalidKey, PremiumOnly, VendorThrottled, ServiceUnavailable: as ``AlphaVantageClient.ask``.
    """
    quote = client.ask(symbol, "GLOBAL_QUOTE", "Global Quote")["data"]
    if not quote:
        raise UnknownSymbol(f"Alpha Vantage has no quote of {symbol}")
    now = client.now()

    def bar(_label: str, row: Mapping[str, str]) -> Bar:
        _same_symbol(symbol, {"2. Symbol": row.get("01. symbol", symbol)})
        names = ("02. open", "03. high", "04. low", "05. price", "06. volume")
        figures = _checked([float(row[name]) for name in names[:4]]), read_shares(row[names[4]])
        return _daily_bar(symbol, date.fromisoformat(row["07. latest trading day"]), figures, now, provisional=True)

    return _taken(symbol, {"quote": quote}, bar)


def fetch_minutes(client: AlphaVantageClient, symbol: str, first: date, last: date) -> Fetched:
    """Minute bars of the sessions from ``first`` to ``last``, extended hours included; one request per month.

    Raises:
        NothingFetched: the vendor has no bar in the range.
        WrongSetting: the opening volume says that ALPHA_VANTAGE_BAR_LABELS is wrong.
        InvalidKey, PremiumOnly, UnknownSymbol, VendorThrottled, ServiceUnavailable: as ``AlphaVantageClient.ask``.
    """
    rows: dict[str, Mapping[str, str]] = {}
    unknown: UnknownSymbol | None = None
    for month in _months(first, last):
        options = {"interval": "1min", "adjusted": "false", "extended_hours": "true", "outputsize": "full"}
        try:
            answer = client.ask(symbol, "TIME_SERIES_INTRADAY", "Time Series (1min)", month=month, **options)
        except UnknownSymbol as broken:  # also said of a month before the listing
            unknown = broken
            continue
        _same_symbol(symbol, answer["meta"])
        zone = answer["meta"].get("6. Time Zone", _ZONES[0])
        if zone not in _ZONES:
            raise BadRecord(f"Alpha Vantage labels minute bars of {symbol} in {zone}, not in {_ZONES[0]}")
        rows |= answer["data"]
    if not rows and unknown is not None:
        raise unknown
    labels, now = client.settings.bar_labels, client.now()
    volumes: dict[datetime, float] = {}

    def bar(label: str, row: Mapping[str, str]) -> Bar | None:
        labelled = datetime.fromisoformat(label)
        figures = _figures(row)
        volumes[labelled] = figures[1]
        start = start_of(labelled, labels).replace(tzinfo=EXCHANGE_ZONE)
        return _minute_bar(symbol, start, figures, now) if first <= start.date() <= last else None

    fetched = _taken(symbol, rows, bar)
    check_labels(symbol, volumes, labels, "ALPHA_VANTAGE_BAR_LABELS")
    if not fetched.messages:
        raise NothingFetched(f"Alpha Vantage has no minute bar of {symbol} from {first} to {last}{_because(fetched)}")
    return fetched


def _taken(
    symbol: str, rows: Mapping[str, Mapping[str, str]], bar: Callable[[str, Mapping[str, str]], Bar | None]
) -> Fetched:
    """The rows as bars, oldest first; those that cannot be one are named."""
    fetched = Fetched()
    for label in sorted(rows):
        try:
            made = bar(label, rows[label])
            if made is not None:
                encode(made)
                fetched.messages.append(made)
        except (BadRecord, ValueError, KeyError, TypeError, AttributeError) as broken:
            reason = f"it has no {broken}" if isinstance(broken, KeyError) else str(broken)
            fetched.refused.append(f"{symbol} {label}: {reason}")
    return fetched


def _daily_bar(
    symbol: str, day: date, figures: tuple[list[float], float], now: datetime, *, provisional: bool = False
) -> Bar:
    if not is_session(day):
        raise BadRecord("the exchange has no session that day")
    held = session(day)
    final = not provisional and now >= held.close_time + SETTLED_AFTER
    return _bar(symbol, "1d", day, instant(held.open_time), figures, final, now)


def _minute_bar(symbol: str, start: datetime, figures: tuple[list[float], float], now: datetime) -> Bar:
    if not is_session(start.date()):
        raise BadRecord("the exchange has no session that day")
    return _bar(symbol, "1m", start.date(), instant(start), figures, now >= start + MINUTE + SETTLED_AFTER, now)


def _bar(
    symbol: str, interval: str, day: date, start: int, figures: tuple[list[float], float], final: bool, now: datetime
) -> Bar:
    (opened, high, low, close), volume = figures
    return Bar(
        symbol=symbol,
        interval="1d" if interval == "1d" else "1m",
        trading_day=day,
        start_time=start,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        currency="USD",
        price_basis="as_traded",
        final=final,
        source=SOURCE,
        known_at=instant(now),
    )


def _figures(row: Mapping[str, str]) -> tuple[list[float], float]:
    """Open, high, low and close, and the volume."""
    return _checked([float(row[name]) for name in _PRICES]), read_shares(row["5. volume"])


def _checked(prices: list[float]) -> list[float]:
    if not all(math.isfinite(price) and price > 0 for price in prices):
        raise BadRecord(f"open, high, low, close are {prices}")
    return prices


def _same_symbol(symbol: str, meta: Mapping[str, str]) -> None:
    answered = str(meta.get("2. Symbol", symbol))
    if answered.upper() != symbol.upper():
        raise BadRecord(f"Alpha Vantage was asked for {symbol} and answered for {answered[:24]}")


def _months(first: date, last: date) -> list[str]:
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{month // 12}-{month % 12 + 1:02}" for month in months]


def _because(fetched: Fetched) -> str:
    return f": {fetched.refused[0]}" if fetched.refused else ""
