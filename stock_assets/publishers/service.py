"""a source that delivers, a publisher -> a service that runs until it is told to stop.

Belongs here: connecting again and again, pacing that, handing each message over until the broker has acknowledged it, and
saying how it goes.
Does not belong here: any vendor (a ``Connect`` each), the broker's client (``topic``).

A message is kept until the broker has acknowledged it, and sent again when that failed: at least once. Bars drop the
repeats by the identity of a tick.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from stock_assets.domain.errors import BadRecord, TransientError, VendorThrottled
from stock_assets.domain.messages import Message
from stock_assets.publishers.health import HealthFile, State
from stock_assets.topic.publish import Published, Publisher

FLUSH_EVERY = timedelta(seconds=1)
"""And as often the health is written, at the most."""
UNFLUSHED_LIMIT = 10_000
"""Messages kept for sending again, at the most."""
BEAT_S = 5.0

log = logging.getLogger(__name__)


class Connect(Protocol):
    """One connection to a source.

    Yields messages until the connection ends, and None when nothing came for a moment (a second, say), so that the
    service can flush, write its health and look at ``stop``.

    Raises:
        ServiceUnavailable: connect again; ending means the same.
        VendorThrottled: wait until its ``retry_at``, else as for any fault, and say so.
        PermanentError: the service ends with that sentence.
    """

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]: ...


@runtime_checkable
class Remembering(Protocol):
    """A ``Connect`` that keeps where it stands."""

    def settled(self, ended: bool) -> None:
        """All that was delivered so far is acknowledged; ``ended``: and nothing follows."""


@dataclass(frozen=True)
class Backoff:
    """Pauses between connections: up to a cap that doubles with each failure, drawn evenly below it (full jitter)."""

    first_s: float = 1.0
    longest_s: float = 60.0
    draw: Callable[[], float] = random.random

    def pause_s(self, failures: int) -> float:
        """Seconds after so many connections in a row that delivered nothing."""
        # 2.0 to the power of a long outage's failures would not fit a float
        return self.draw() * min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 60))


def run_publisher(
    name: str,
    connect: Connect,
    publisher: Publisher,
    health: HealthFile,
    stop: threading.Event,
    reconnect: Backoff = Backoff(),
) -> Published:
    """Publish what ``connect`` delivers until ``stop`` is set; every message handed over is acknowledged by then.

    Raises:
        PermanentError: the source or the broker refuses for good.
        ServiceUnavailable: at the end the broker did not acknowledge what was left.
    """
    service = _Service(name, connect, publisher, health, stop, reconnect)
    try:
        service.run()
    except BaseException as broken:
        health.fail(broken)
        raise
    service.become("stopped")
    return publisher.published


class _Service:
    def __init__(
        self,
        name: str,
        connect: Connect,
        publisher: Publisher,
        health: HealthFile,
        stop: threading.Event,
        reconnect: Backoff,
    ) -> None:
        self.name, self.connect, self.publisher = name, connect, publisher
        self.health, self.stop, self.reconnect = health, stop, reconnect
        self.unacknowledged: list[Message] = []
        self.to_send_again = False
        self.flushed_at = health.now()

    def run(self) -> None:
        self.become("starting")
        first = True
        while not self.stop.is_set():
            if not first:
                self.health.state.reconnects += 1
            first = False
            until: datetime | None = None
            try:
                self._deliver()
                reason = "the connection ended"
            except TransientError as fault:
                reason = self.health.plain(str(fault))
                self.health.state.last_error = reason
                until = fault.retry_at if isinstance(fault, VendorThrottled) else None
            if not self.stop.is_set():
                self._wait(reason, until)
        self._settle(ended=True)

    def become(self, state: State, until: datetime | None = None) -> None:
        self.health.state.state = state
        self.health.state.waiting_until = until
        self.health.write()

    def _deliver(self) -> None:
        """One connection, from its first sign to its end."""
        self._settle()
        arriving = self.connect(self.stop)
        connected = False
        try:
            for message in arriving:
                if not connected:
                    connected = True
                    self.become("connected")
                if message is not None:
                    self._hand_over(message)
                if message is None or len(self.unacknowledged) >= UNFLUSHED_LIMIT or self._is_due(self.flushed_at):
                    self._settle()
                if self._is_due(self.health.state.updated_at):
                    self.health.write()
                if self.stop.is_set():
                    break
        finally:
            close = getattr(arriving, "close", None)
            if close is not None:
                close()
        self._settle()

    def _hand_over(self, message: Message) -> None:
        state = self.health.state
        state.fetched += 1
        state.last_message_at = self.health.now()
        state.failures = 0
        try:
            self.publisher.send(message)
        except BadRecord as broken:
            self.health.refuse(str(broken))
            log.warning("%s: refused: %s", self.name, self.health.plain(str(broken)))
            return
        except TransientError:
            self.unacknowledged.append(message)
            self.to_send_again = True
            raise
        self.unacknowledged.append(message)

    def _is_due(self, done_at: datetime) -> bool:
        # also when the clock was set back
        return not timedelta(0) <= self.health.now() - done_at < FLUSH_EVERY

    def _settle(self, ended: bool = False) -> None:
        """Have everything handed over acknowledged; what was not the last time is sent again, before anything newer."""
        if self.unacknowledged:
            resend, self.to_send_again = self.to_send_again, True
            for message in self.unacknowledged if resend else ():
                self.publisher.send(message)
            self.publisher.flush()
            self.to_send_again = False
            self.health.state.acknowledged += len(self.unacknowledged)
            self.unacknowledged.clear()
        if isinstance(self.connect, Remembering):
            self.connect.settled(ended)
        self.flushed_at = self.health.now()

    def _wait(self, reason: str, until: datetime | None) -> None:
        state, now = self.health.state, self.health.now()
        if until is None or until <= now:
            state.failures += 1
            until = now + timedelta(seconds=self.reconnect.pause_s(state.failures))
        log.warning("%s: %s; again at %s", self.name, reason, until.isoformat(timespec="seconds"))
        self.become("waiting", until)
        while not self.stop.is_set() and (left_s := (until - self.health.now()).total_seconds()) > 0:
            self.stop.wait(min(left_s, BEAT_S))
            self.health.write()
