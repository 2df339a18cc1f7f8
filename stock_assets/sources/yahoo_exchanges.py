"""Yahoo's word for an exchange -> refused, unless its days are New York's.

Belongs here: time zones and codes of exchanges, and whether rows from there would be filed under the right session.
Does not belong here: New York's sessions (``domain.sessions``).
"""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from stock_assets.domain.errors import UnsupportedExchange
from stock_assets.domain.sessions import EXCHANGE_ZONE

IN_DOLLARS = frozenset({"NMS", "NGM", "NCM", "NYQ", "NYS", "ASE", "PCX", "BTS", "PNK", "OQB", "OQX", "OEM", "NAS"})
"""Codes of the stock exchanges of the United States."""
_ON_DAYS_OF_NEW_YORK = IN_DOLLARS | {
    *("TOR", "VAN", "CNQ", "NEO"),  # Canada
    *("CME", "CBT", "CMX", "NYM", "NYB"),  # futures, Chicago and New York
    *("OPR", "CXI", "WCB", "SNP", "DJI", "NIM"),  # options, indices and funds of the United States
}


def check_zone(symbol: str, zone: str, at: datetime) -> None:
    """Refuse an exchange whose midnight is on another date in New York: its rows would be filed a day early.

    Args:
        zone: of the exchange, as Yahoo names it: ``Asia/Tokyo``.
        at: any moment of the rows.

    Raises:
        UnsupportedExchange: as said; the text names symbol and zone.
        ValueError: there is no such zone.
    """
    try:
        known = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as unknown:
        raise ValueError(f"{symbol}: there is no time zone {zone!r}") from unknown
    midnight = datetime.combine(at.astimezone(known).date(), time(), known)
    if midnight.astimezone(EXCHANGE_ZONE).date() != midnight.date():
        raise UnsupportedExchange(
            f"Yahoo dates {symbol} in the time zone {zone}, whose days are not New York's: such exchanges are not supported"
        )


def check_code(symbol: str, code: str | None) -> None:
    """Refuse an exchange that is not known to have New York's days, where Yahoo names no time zone.

    Raises:
        UnsupportedExchange: as said; the text names symbol and code.
    """
    if code not in _ON_DAYS_OF_NEW_YORK:
        raise UnsupportedExchange(
            f"Yahoo quotes {symbol} at the exchange {code}, which is not known to have New York's days: such exchanges "
            "are not supported"
        )
