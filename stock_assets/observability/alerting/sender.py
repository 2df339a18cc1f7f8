"""the queue of turns -> messages that the channel took.

Belongs here: when to send, that all that waits is one message, and trying again ever later while the channel is away.
Does not belong here: the channel (``channel``), the words (``message``).

A message is taken from the queue after the channel took it. Whoever is killed between both sends it again: better twice than never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from stock_assets.observability.alerting.message import Message, message
from stock_assets.observability.alerting.store import Store

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
BETWEEN_S = 30.0
"""Between two messages: what happens meanwhile comes together in the next."""


class Sender:
    """Sends what is queued.

    Args:
        send: returns why the channel did not take a message; empty when it did.
        monotonic: a clock that nobody sets, in seconds.
        now: seconds since 1970, for people.
    """

    def __init__(
        self,
        store: Store,
        page: str,
        send: Callable[[Message], str],
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._store, self._page, self._send = store, page, send
        self._monotonic, self._now = monotonic, now
        self._not_before = monotonic()

    def work(self) -> None:
        """Send what waits, unless it is too early; what the channel does not take stays."""
        if self._monotonic() < self._not_before:
            return
        queue = self._store.queued()
        if not queue:
            return
        whole = message([turn for _, turn in queue], self._page)
        refused = self._send(whole)
        if refused:
            attempts = self._store.failed(refused, self._now())
            pause = min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 10), LONGEST_PAUSE_S)
            log.warning("%s; tried again in %.0f s", refused, pause)
        else:
            self._store.sent(whole, queue[-1][0], self._now())
            pause = BETWEEN_S
            log.info("sent: %s", whole.title)
        self._not_before = self._monotonic() + pause
