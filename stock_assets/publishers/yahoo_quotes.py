"""Yahoo's quotes every few seconds -> messages, for the publisher service.

Belongs here: one ``Connect`` that asks again and again, and passes on what is new.
Does not belong here: a request and its answer (``sources.yahoo_quotes``), what follows a failure (``service``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stock_assets.domain.errors import ServiceUnavailable, UnknownSymbol, WrongSetting
from stock_assets.domain.messages import Message, Tick
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, is_session, session
from stock_assets.sources.yahoo_quotes import ask_quotes

if TYPE_CHECKING:
    from stock_assets.sources.yahoo_session import NotingSession

EVERY_S = 15.0
_MOMENT_S = 0.5

log = logging.getLogger(__name__)


class YahooQuotes:
    """The ``Connect`` of Yahoo's quotes.

    It asks once when it is called, and then while the exchange trades (04:00 to 20:00 and a grace). A quote is a state,
    not an event: one that is as it was is passed on once.

    Args:
        http: what Yahoo is asked through.
        refused: called with each new reason why a quote could not be taken.
    """

    def __init__(
        self,
        symbols: list[str],
        every_s: float = EVERY_S,
        *,
        http: NotingSession,
        refused: Callable[[str], None] = lambda reason: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if every_s <= 0:
            raise WrongSetting(f"quotes every {every_s} s: it must be more than 0")
        self.symbols, self.every = symbols, timedelta(seconds=every_s)
        self._http, self._refused, self._now = http, refused, now
        self._known: dict[tuple[str, tuple[str, ...]], Tick] = {}
        self._complained: set[str] = set()

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        """Ticks that are new, until ``stop`` is set.

        Raises:
            UnknownSymbol: Yahoo never had a quote of any of the symbols.
            VendorThrottled, ServiceUnavailable: as ``ask_quotes``.
        """
        due = self._now()
        first = True
        while not stop.is_set():
            if self._now() >= due and (first or _trading(self._now())):
                first = False
                due = self._now() + self.every
                yield from self._ask()
            yield None
            stop.wait(_MOMENT_S)

    def _ask(self) -> Iterator[Tick]:
        answered = ask_quotes(self.symbols, self._http, self._now)
        if not answered.ticks:
            reasons = "; ".join(answered.refused)
            if self._known:
                raise ServiceUnavailable(f"Yahoo has no quotes any more: {reasons}")
            raise UnknownSymbol(reasons or "no symbols to ask quotes of")
        for reason in answered.refused:
            if reason not in self._complained:
                self._refused(reason)
                log.warning("Yahoo's quotes: refused: %s", reason)
        self._complained = set(answered.refused)
        for tick in answered.ticks:
            market = tick.symbol, tuple(tick.conditions or ())
            known = self._known.get(market)
            if known is None or _state(known) != _state(tick):
                yield tick
                self._known[market] = tick


def _state(tick: Tick) -> tuple[object, ...]:
    return tick.event_time, tick.price, tick.day_volume


def _trading(now: datetime) -> bool:
    day = now.astimezone(EXCHANGE_ZONE).date()
    if not is_session(day):
        return False
    held = session(day)
    return held.pre_open_time <= now < held.post_close_time + CLOSING_PRINT_GRACE
