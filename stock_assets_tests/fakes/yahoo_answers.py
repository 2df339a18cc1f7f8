"""listings -> what Yahoo answers about them.

Belongs here: listings in memory, and the bodies of charts (daily bars and minutes) and quotes made of them.
Does not belong here: the server and its faults (``fake_yahoo``).

Listings say what happened: prices as traded, dividends as paid. Daily answers are Yahoo's view of it: prices, volumes and
dividends adjusted for every split up to now, also for splits outside of the asked range. Minutes are answered as given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from stock_assets.domain.sessions import CLOSE, EXCHANGE_ZONE, OPEN

RANGES = {"1d": 1, "5d": 5, "1mo": 21, "3mo": 63, "6mo": 126, "1y": 252, "2y": 504, "5y": 1260, "max": 100_000}
"""Sessions per range; the last ones that the listing has."""


@dataclass(frozen=True)
class DailyBar:
    """One session as traded; None is what Yahoo answers as ``null``."""

    day: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None


@dataclass(frozen=True)
class MinuteBar:
    """One row of minutes as Yahoo labels it; None is what Yahoo answers as ``null``."""

    label: datetime
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None


@dataclass
class Listing:
    """One symbol; bars ascending. ``live_since`` stamps the last bar with the time of its last trade, as Yahoo does.

    ``minutes`` are answered up to ``now``; ``quote`` is what the quote endpoint says of it; ``zone`` is its exchange's.
    """

    bars: list[DailyBar]
    splits: dict[date, float] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    currency: str = "USD"
    live_since: datetime | None = None
    minutes: list[MinuteBar] = field(default_factory=list)
    now: datetime | None = None
    quote: dict[str, Any] | None = None
    zone: str = str(EXCHANGE_ZONE)

    def factor(self, day: date) -> float:
        """Shares of now per share of ``day``."""
        return math.prod(ratio for ex_date, ratio in self.splits.items() if ex_date > day)


def chart(listing: Listing, symbol: str, query: dict[str, str], *, empty: bool = False) -> tuple[int, dict[str, Any]]:
    """Status and body of ``/v8/finance/chart/SYMBOL``."""
    if query.get("interval") == "1m":
        return _minutes(listing, symbol, query, empty)
    if query.get("interval") != "1d":
        return refusal(400, "Bad Request", f"Invalid input - interval={query.get('interval')} is not supported.")
    if "range" in query:
        if query["range"] not in RANGES:
            return refusal(400, "Bad Request", f"Invalid input - range={query['range']} is not supported.")
        bars = listing.bars[-RANGES[query["range"]] :]
        first, following = 0, 2**40
    else:
        first, following = int(query["period1"]), int(query["period2"])
        bars = [bar for bar in listing.bars if first <= _opened(bar.day) < following]
        if not bars and not empty:
            asked = f"startDate = {first}, endDate = {following}"
            return refusal(400, "Bad Request", f"Data doesn't exist for {asked}")
    meta = _meta(listing, symbol, query)
    if empty or not bars:
        return 200, _result({"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}})
    stamps = [_opened(bar.day) for bar in bars]
    if listing.live_since and bars[-1] is listing.bars[-1]:
        stamps[-1] = int(listing.live_since.timestamp())
    result: dict[str, Any] = {"meta": meta, "timestamp": stamps}
    events = _events(listing, query.get("events", ""), max(first, _opened(bars[0].day)), following)
    if events:
        result["events"] = events
    quote = {name: [_adjusted(listing, bar, name) for bar in bars] for name in ("open", "high", "low", "close")}
    volumes = [None if bar.volume is None else round(bar.volume * listing.factor(bar.day)) for bar in bars]
    result["indicators"] = {"quote": [{**quote, "volume": volumes}], "adjclose": [{"adjclose": quote["close"]}]}
    return 200, _result(result)


def quotes(listings: dict[str, Listing], query: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body of ``/v7/finance/quote``; symbols without a quote are left out."""
    asked = [listings[symbol] for symbol in query.get("symbols", "").split(",") if symbol in listings]
    return 200, {"quoteResponse": {"result": [one.quote for one in asked if one.quote], "error": None}}


def refusal(status: int, code: str, description: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a chart that is not given."""
    return status, {"chart": {"result": None, "error": {"code": code, "description": description}}}


def _minutes(listing: Listing, symbol: str, query: dict[str, str], empty: bool) -> tuple[int, dict[str, Any]]:
    first, following = int(query["period1"]), int(query["period2"])
    now = listing.now or datetime.now(UTC)
    refused = f"1m data not available for startTime={first} and endTime={following}. "
    if following - first > 8 * 86400:
        refused += "Only 8 days worth of 1m granularity data are allowed to be fetched per request."
        return refusal(422, "Unprocessable Entity", refused)
    if first < now.timestamp() - 30 * 86400:
        return refusal(422, "Unprocessable Entity", refused + "The requested range must be within the last 30 days.")
    rows = [row for row in listing.minutes if first <= row.label.timestamp() < following and row.label <= now]
    if query.get("includePrePost", "").lower() != "true":
        rows = [row for row in rows if OPEN <= row.label.astimezone(EXCHANGE_ZONE).time() < CLOSE]
    meta = _meta(listing, symbol, query)
    if empty or not rows:
        return 200, _result({"meta": meta, "indicators": {"quote": [{}]}})
    names = ("open", "high", "low", "close", "volume")
    result: dict[str, Any] = {
        "meta": meta,
        "timestamp": [int(row.label.timestamp()) for row in rows],
        "indicators": {"quote": [{name: [getattr(row, name) for row in rows] for name in names}]},
    }
    events = _events(listing, query.get("events", ""), first, following)
    if events:
        result["events"] = events
    return 200, _result(result)


def chart_with_split_of_nothing(listing: Listing, symbol: str, day: date) -> tuple[int, dict[str, Any]]:
    """All of a listing's daily bars, and a split of 1:0 on one of their days, as Yahoo answered it."""
    query = {"period1": "0", "period2": "9" * 10, "interval": "1d", "events": "div,splits"}
    status, answer = chart(listing, symbol, query)
    split = {"date": _opened(day), "numerator": 1, "denominator": 0, "splitRatio": "1:0"}
    answer["chart"]["result"][0].setdefault("events", {})["splits"] = {str(_opened(day)): split}
    return status, answer


def _meta(listing: Listing, symbol: str, query: dict[str, str]) -> dict[str, Any]:
    return {
        "currency": listing.currency,
        "symbol": symbol,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": listing.zone,
        "priceHint": 2,
        "dataGranularity": query["interval"],
        "range": query.get("range", ""),
        "validRanges": list(RANGES),
    }


def _result(result: dict[str, Any]) -> dict[str, Any]:
    return {"chart": {"result": [result], "error": None}}


def _opened(day: date) -> int:
    return int(datetime.combine(day, OPEN, EXCHANGE_ZONE).timestamp())


def _adjusted(listing: Listing, bar: DailyBar, name: str) -> float | None:
    price: float | None = getattr(bar, name)
    return None if price is None else price / listing.factor(bar.day)


def _events(listing: Listing, asked: str, first: int, following: int) -> dict[str, Any]:
    dividends = {
        str(_opened(day)): {"amount": paid / listing.factor(day), "date": _opened(day)}
        for day, paid in listing.dividends.items()
        if "div" in asked and first <= _opened(day) < following
    }
    splits = {
        str(_opened(day)): {"date": _opened(day), "numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio:g}:1"}
        for day, ratio in listing.splits.items()
        if "split" in asked and first <= _opened(day) < following
    }
    return {name: found for name, found in (("dividends", dividends), ("splits", splits)) if found}
