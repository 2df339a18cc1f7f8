"""Alpha Vantage's answers, a rate budget -> a stream of bars.

Belongs here: what is worth a request, and when: missing daily bars first, then minute bars where they are wanted, then
quotes while the exchange trades, spread so that the day's requests last.
Does not belong here: which minute bars are missing (``alpha_vantage_minutes``), asking (``sources``), and publishing
(``service``).

One request per symbol is kept back during the session, for its final daily bar after the close, and one for its minutes.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from stock_assets.domain.errors import PermanentError, UnknownSymbol, UnusableAnswer
from stock_assets.domain.messages import Bar, Message
from stock_assets.domain.sessions import EXCHANGE_ZONE, Session, is_session, session, session_on_or_before
from stock_assets.publishers.alpha_vantage_minutes import AlphaVantageMinutes
from stock_assets.publishers.each_symbol import OF_ONE_SYMBOL, UnusableInARow
from stock_assets.sources.alpha_vantage import SETTLED_AFTER, fetch_daily, fetch_quote
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient
from stock_assets.sources.fetched import Fetched

NAME = "alpha_vantage"
LOOK_EVERY_S = 1.0
ASK_AGAIN_AFTER = timedelta(hours=2)
"""When the vendor did not have a daily bar yet."""

RECOUNT_AFTER = timedelta(seconds=5)
"""How often others' use of the budget is looked for, while no quote is due."""

log = logging.getLogger(__name__)


class AlphaVantagePolling:
    """The ``Connect`` of Alpha Vantage; it remembers across connections what it has.

    Args:
        client: its ``stop`` and ``attempts`` are the service's business.
        first: the session that history begins with for a symbol without any.
        newest_session: the newest session whose final daily bar is known, None for none; asked once per symbol.
        refused: is told each row that could not be taken, and why.
        minutes: minute bars, where they are wanted.
    """

    def __init__(
        self,
        client: AlphaVantageClient,
        symbols: Sequence[str],
        first: date,
        newest_session: Callable[[str], date | None],
        refused: Callable[[str], None],
        minutes: AlphaVantageMinutes | None = None,
    ) -> None:
        self._client, self._first, self._refused, self._minutes = client, first, refused, minutes
        self._newest_session = newest_session
        self._symbols = deque(symbols)  # the next to be quoted in front
        self._unusable = UnusableInARow()
        self._newest: dict[str, date | None] = {}
        self._not_before: dict[str, datetime] = {}
        self._quoted: dict[str, tuple[object, ...]] = {}
        self._quoted_at: datetime | None = None
        self._counted_at: datetime | None = None

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        # the service itself waits and connects again, and says so meanwhile
        client = replace(self._client, stop=stop, attempts=1)
        while not stop.is_set():
            if not self._symbols:
                raise PermanentError("Alpha Vantage knows none of the symbols: set SYMBOLS")
            now = client.now()
            yield None  # a request may take a while: what came before is acknowledged first
            lacking = [symbol for symbol in self._symbols if self._lacks(symbol, now)]
            if lacking:
                # the one furthest behind, so that each has its turn where a day's requests are fewer than symbols
                symbol = min(lacking, key=lambda symbol: self._newest[symbol] or date.min)
                yield from self._history(client, symbol, now)
            elif self._minutes and (behind := self._minutes_of(client, now)):
                yield from self._minutes.fetch(client, behind, now)
            elif (held := _trading(now)) is not None and self._may_quote(client, held, now):
                yield from self._quote(client, held, now)
            else:
                stop.wait(LOOK_EVERY_S)

    def _lacks(self, symbol: str, now: datetime) -> bool:
        if now < self._not_before.get(symbol, now):
            return False
        if symbol not in self._newest:
            self._newest[symbol] = self._newest_session(symbol)
        newest = self._newest[symbol]
        return newest is None or newest < _newest_settled(now)

    def _history(self, client: AlphaVantageClient, symbol: str, now: datetime) -> Iterator[Bar]:
        newest, last = self._newest[symbol], _newest_settled(now)
        first = self._first if newest is None else newest + timedelta(days=1)
        try:
            fetched = fetch_daily(client, symbol, first, last)
        except UnknownSymbol as broken:
            self._drop(symbol, broken)
            return
        except OF_ONE_SYMBOL as broken:
            self._refused(str(broken))
            self._unusable.note(broken)
            fetched = Fetched()
        else:
            self._unusable.note(None)
        bars = self._bars(fetched)
        yield from bars
        final = [bar.trading_day for bar in bars if bar.final]
        self._newest[symbol] = newest = max(final, default=newest)
        if newest is None or newest < last:
            self._not_before[symbol] = now + ASK_AGAIN_AFTER

    def _minutes_of(self, client: AlphaVantageClient, now: datetime) -> str | None:
        """The symbol whose minutes may be asked for; none while the requests left are those of today's daily bars."""
        symbol = self._minutes.lacking(self._symbols, now) if self._minutes else None
        if symbol is None:
            return None
        left = client.budget.left()
        owed = (
            len(self._symbols)
            if _newest_settled(now) < session_on_or_before(now.astimezone(EXCHANGE_ZONE).date())
            else 0
        )
        # With none left it is asked all the same: the refusal says until when.
        return symbol if left is None or left > owed or left == 0 else None

    def _quote(self, client: AlphaVantageClient, held: Session, now: datetime) -> Iterator[Bar]:
        symbol = self._symbols[0]
        self._symbols.rotate(-1)
        self._quoted_at = now
        try:
            fetched = fetch_quote(client, symbol)
        except UnknownSymbol as broken:
            self._drop(symbol, broken)
            return
        except UnusableAnswer as broken:
            self._refused(str(broken))
            self._unusable.note(broken)
            return
        self._unusable.note(None)
        for bar in self._bars(fetched):
            values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            # of an older session the final bar is there, and a newer statement would hide it
            if bar.trading_day == held.day and self._quoted.get(symbol) != (held.day, *values):
                yield bar
                self._quoted[symbol] = (held.day, *values)

    def _may_quote(self, client: AlphaVantageClient, held: Session, now: datetime) -> bool:
        if self._counted_at is not None and now - self._counted_at < RECOUNT_AFTER:
            return False
        if now >= self._next_quote_at(client, held, now):
            self._counted_at = None
            return True
        self._counted_at = now
        return False

    def _next_quote_at(self, client: AlphaVantageClient, held: Session, now: datetime) -> datetime:
        """When another quote is due; after the session when the budget has none to spare."""
        ends = held.close_time + SETTLED_AFTER
        pause = timedelta(seconds=client.settings.quote_every_s) / len(self._symbols)
        left = client.budget.left()
        if left is not None:
            spare = left - len(self._symbols) * (2 if self._minutes and self._minutes.offered else 1)
            if spare <= 0:
                return ends
            pause = max(pause, (ends - now) / spare)
        return now if self._quoted_at is None else self._quoted_at + pause

    def _bars(self, fetched: Fetched) -> list[Bar]:
        for refusal in fetched.refused:
            self._refused(refusal)
        return [message for message in fetched.messages if isinstance(message, Bar)]

    def _drop(self, symbol: str, broken: UnknownSymbol) -> None:
        log.error("%s is not asked for any more: %s", symbol, broken)
        self._refused(str(broken))
        self._symbols.remove(symbol)


def _newest_settled(now: datetime) -> date:
    """The newest session whose daily bar moves no more."""
    return session_on_or_before(_closed_day(now))


def _closed_day(now: datetime) -> date:
    today = now.astimezone(EXCHANGE_ZONE).date()
    over = is_session(today) and now >= session(today).close_time + SETTLED_AFTER
    return today if over else today - timedelta(days=1)


def _trading(now: datetime) -> Session | None:
    """The session that quotes may be of; None while there is none."""
    today = now.astimezone(EXCHANGE_ZONE).date()
    if not is_session(today):
        return None
    held = session(today)
    return held if held.open_time <= now < held.close_time + SETTLED_AFTER else None
