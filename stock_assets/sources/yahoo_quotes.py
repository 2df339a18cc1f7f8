"""Yahoo's quotes -> ticks.

Belongs here: asking for the newest prices of many symbols at once, and what a quote means.
Does not belong here: when to ask (``publishers``).

One request answers for a hundred symbols, and has the time of the last trade and the volume of the day; yfinance's
``fast_info`` and its minute history take a request or two for each symbol, and minutes do not add up to the day's volume
(0.64-0.99 of it). yfinance has no method for it, so its own transport is used, which brings cookie and crumb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import BadRecord, ServiceUnavailable, UnsupportedExchange
from stock_assets.domain.messages import Tick, instant
from stock_assets.sources.yahoo import TIMEOUT_S
from stock_assets.sources.yahoo_failures import told_apart
from stock_assets.sources.yahoo_snapshots import Phase, snapshot

if TYPE_CHECKING:
    from stock_assets.sources.yahoo_session import NotingSession

SOURCE = "yahoo_quotes"
URL = "https://query1.finance.yahoo.com/v7/finance/quote"
PER_REQUEST = 100
_PHASES: tuple[Phase, ...] = ("regular", "pre", "post", "overnight")


@dataclass
class Quotes:
    """Answers for all symbols; ``refused`` says which could not be taken, and why."""

    ticks: list[Tick] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def ask_quotes(
    symbols: list[str], http: NotingSession, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Quotes:
    """The newest tick of each symbol and market: regular hours, and pre market, post market, overnight where traded.

    ``event_id`` is when it was asked (microseconds) and the tick's ordinal in the answers.

    Raises:
        VendorThrottled: Yahoo answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    asked_at, answered = instant(now()), Quotes()
    for position in range(0, len(symbols), PER_REQUEST):
        asked = symbols[position : position + PER_REQUEST]
        quotes = _ask(asked, http)
        answered.refused += [f"Yahoo knows no quote of {symbol}" for symbol in asked if symbol not in quotes]
        for quote in quotes.values():
            for phase in _PHASES:
                if f"{phase}MarketTime" in quote:
                    try:
                        answered.ticks.append(_tick(quote, phase, f"{asked_at}/{len(answered.ticks):06}"))
                    except (BadRecord, UnsupportedExchange, ValueError, TypeError) as broken:
                        answered.refused.append(f"{quote['symbol']}, {phase}: {broken}")
    return answered


def _ask(symbols: list[str], http: NotingSession) -> dict[str, dict[str, Any]]:
    from yfinance.data import YfData

    named = ", ".join(symbols)
    with told_apart(http, named, "now"):
        transport = YfData(session=http)
        answer = transport.get_raw_json(URL, params={"symbols": ",".join(symbols)}, timeout=TIMEOUT_S)
        error, result = answer["quoteResponse"].get("error"), answer["quoteResponse"]["result"]
        if error:
            raise ServiceUnavailable(f"Yahoo did not answer for {named}: {error}")
        return {quote["symbol"]: quote for quote in result}


def _tick(quote: dict[str, Any], phase: Phase, event_id: str) -> Tick:
    """One quote's price of one market.

    Raises:
        BadRecord, UnsupportedExchange, ValueError, TypeError: it cannot be a tick; the text says why.
    """
    # Bid and ask are those of now, and of nothing when the market is closed.
    trading = quote.get("marketState") == phase.upper()
    return snapshot(
        source=SOURCE,
        event_id=event_id,
        symbol=quote["symbol"],
        price=float(quote.get(f"{phase}MarketPrice") or 0),
        time_ms=int(quote[f"{phase}MarketTime"]) * 1000,
        phase=phase,
        day_volume=quote.get("regularMarketVolume"),
        exchange=quote.get("exchange"),
        zone=quote.get("exchangeTimezoneName"),
        currency=quote.get("currency"),
        price_hint=quote.get("priceHint"),
        bid=quote.get("bid") if trading else None,
        ask=quote.get("ask") if trading else None,
    )
