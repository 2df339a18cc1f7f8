"""Alpha Vantage's minute bars -> those of each session once, when it is over.

Belongs here: which sessions lack minute bars, asking for them, and leaving them out where the key's plan has none.
Does not belong here: what else a request is spent on (``alpha_vantage``), asking (``sources``).

A session is asked for after its extended hours, so that one answer has all of it. A symbol of which the lake has no
minutes begins with the newest session: history would cost a request for each month.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

from stock_assets.domain.errors import PremiumOnly
from stock_assets.domain.messages import Bar
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session, session, session_on_or_before
from stock_assets.publishers.catch_up import closes_session
from stock_assets.publishers.each_symbol import OF_ONE_SYMBOL
from stock_assets.sources.alpha_vantage import SETTLED_AFTER, fetch_minutes
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient

ASK_AGAIN_AFTER = timedelta(hours=2)
"""When the vendor did not have a session yet."""

log = logging.getLogger(__name__)


class AlphaVantageMinutes:
    """What minute bars are lacking, over all connections.

    Args:
        newest_session: the newest session whose minute bars are known, None for none; asked once per symbol.
        refused: is told each row that could not be taken, and why.
    """

    def __init__(self, newest_session: Callable[[str], date | None], refused: Callable[[str], None]) -> None:
        self._newest_session, self._refused = newest_session, refused
        self._newest: dict[str, date] = {}
        self._not_before: dict[str, datetime] = {}
        self.offered = True
        """Whether the key's plan has minutes, as far as is known."""

    def lacking(self, symbols: Sequence[str], now: datetime) -> str | None:
        """The symbol to ask for next, the one furthest behind; None when none lacks a session that is over."""
        if not self.offered:
            return None
        last = _newest_over(now)
        for symbol in symbols:
            if symbol not in self._newest:
                self._newest[symbol] = self._newest_session(symbol) or last - timedelta(days=1)
        behind = [
            symbol for symbol in symbols if self._newest[symbol] < last and now >= self._not_before.get(symbol, now)
        ]
        return min(behind, key=lambda symbol: self._newest[symbol], default=None)

    def fetch(self, client: AlphaVantageClient, symbol: str, now: datetime) -> Iterator[Bar]:
        """The sessions that the symbol lacks, those of one month at a time: a request."""
        first, last = self._newest[symbol] + timedelta(days=1), _newest_over(now)
        of_month = min(last, (first.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1))
        try:
            fetched = fetch_minutes(client, symbol, first, of_month)
        except PremiumOnly:
            self.offered = False
            text = (
                "Alpha Vantage serves minute bars to paying customers only: they are left out from now on; take a plan, "
                "or set ALPHA_VANTAGE_MINUTES=false"
            )
            log.warning(text)
            self._refused(text)
            return
        except OF_ONE_SYMBOL as broken:
            self._refused(str(broken))
            self._next(symbol, first - timedelta(days=1), of_month, last, now)
            return
        for refusal in fetched.refused:
            self._refused(refusal)
        bars = [message for message in fetched.messages if isinstance(message, Bar) and message.final]
        # A session counts as known by its last bars; sent last, they are there only if the others are.
        yield from sorted(bars, key=lambda bar: (bar.trading_day, closes_session(bar.trading_day, bar.start_time)))
        newest = max((bar.trading_day for bar in bars), default=first - timedelta(days=1))
        self._next(symbol, newest, of_month, last, now)

    def _next(self, symbol: str, newest: date, asked: date, last: date, now: datetime) -> None:
        """What was got up to ``newest``, of what was asked for up to ``asked``; a month that is over brings no more."""
        self._newest[symbol] = asked if asked < last else newest
        if asked == last and newest < last:
            self._not_before[symbol] = now + ASK_AGAIN_AFTER


def _newest_over(now: datetime) -> date:
    """The newest session whose extended hours are over, and whose bars move no more."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    over = is_session(today) and now >= session(today).post_close_time + SETTLED_AFTER
    return session_on_or_before(today if over else today - timedelta(days=1))
