"""Yahoo Finance -> what is known of a stock besides its prices.

Belongs here: asking with yfinance, one symbol at a time, and Yahoo's names for exchanges.
Does not belong here: which statement counts (``domain.stocks``), storing it (``lake.stocks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import UnknownSymbol, UnusableAnswer
from stock_assets.domain.stocks import UNKNOWN
from stock_assets.sources.yahoo_failures import patiently, told_apart

if TYPE_CHECKING:
    from stock_assets.sources.yahoo_session import NotingSession

MARKETS = {
    "NMS": ("NASDAQ", "XNAS"), "NGM": ("NASDAQ", "XNAS"), "NCM": ("NASDAQ", "XNAS"), "NYQ": ("NYSE", "XNYS"),
    "ASE": ("NYSE American", "XASE"), "PCX": ("NYSE Arca", "ARCX"), "BTS": ("Cboe BZX", "BATS"),
}  # fmt: skip
"""Yahoo's code of an exchange -> its name, and the market identifier code (ISO 10383)."""


def fetch_description(symbol: str, http: NotingSession) -> dict[str, str]:
    """Name, exchange, primary_market, sector, industry and currency; ``unknown`` for what Yahoo does not say, as of funds.

    Raises:
        UnknownSymbol: Yahoo does not know the symbol.
        UnusableAnswer: it answers, but without a name.
        VendorThrottled: Yahoo still answers 429.
        ServiceUnavailable: Yahoo does not answer, or not with data.
    """
    told: dict[str, Any] = patiently()(_ask, symbol, http)
    name = told.get("longName") or told.get("shortName")
    if not name:
        raise UnusableAnswer(f"Yahoo's answer for {symbol} has no name")
    code = str(told.get("exchange") or "")
    exchange, market = MARKETS.get(code, (str(told.get("fullExchangeName") or code or UNKNOWN), UNKNOWN))
    return {
        "name": str(name),
        "exchange": exchange,
        "primary_market": market,
        **{field: str(told.get(field) or UNKNOWN) for field in ("sector", "industry", "currency")},
    }


def _ask(symbol: str, http: NotingSession) -> dict[str, Any]:
    import yfinance as yf
    from curl_cffi.requests.exceptions import HTTPError

    with told_apart(http, symbol, "of its company"):
        try:
            found: dict[str, Any] = yf.Ticker(symbol, session=http).get_info() or {}
        except HTTPError as refused:  # an answer about a company is none about prices, which the session keeps
            if refused.response is not None and refused.response.status_code == 404:
                raise UnknownSymbol(f"Yahoo does not know {symbol} (HTTP 404)") from refused
            raise
        return found
