"""The parts of a publisher service that its tests play: a source by script, a broker that may fail, a clock."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from stock_assets.domain.messages import Message, Tick, encode
from stock_assets.publishers.health import Health, HealthFile
from stock_assets.publishers.service import Backoff, Connect, run_publisher
from stock_assets.topic.publish import Published, Publisher
from stock_assets_tests.fakes.clock import Clock, Stop

NOON = datetime(2026, 3, 6, 17, tzinfo=UTC)
KEY = "K3Y/WITH+SIGNS"
Step = Tick | None | Exception | Callable[[], None]


class StandIn:
    """A publisher without a broker: ``stored`` is what the broker has acknowledged; ``faults`` are raised by flushes."""

    def __init__(self) -> None:
        self.published = Published()
        self.handed_over: list[Message] = []
        self.stored: list[Message] = []
        self.faults: list[Exception] = []
        self.send_faults: list[Exception] = []
        self.flushes: list[int] = []

    def send(self, message: Message) -> None:
        encode(message)
        if self.send_faults:
            raise self.send_faults.pop(0)
        self.published.sent["ticks"] += 1
        self.handed_over.append(message)

    def flush(self) -> None:
        self.flushes.append(len(self.handed_over))
        waiting, self.handed_over = self.handed_over, []
        if self.faults:
            raise self.faults.pop(0)
        self.stored += waiting
        self.published.acknowledged["ticks"] += len(waiting)


class Script:
    """A source that plays one list of steps per connection, and then stops the service."""

    def __init__(self, stop: threading.Event, *connections: list[Step]) -> None:
        self.stop, self.left, self.count, self.closed = stop, list(connections), 0, 0
        self.kept: list[Iterator[Message | None]] = []

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        arriving = self._play(stop)
        self.kept.append(arriving)  # so that nobody but the service closes it
        return arriving

    def _play(self, stop: threading.Event) -> Iterator[Message | None]:
        assert stop is self.stop
        self.count += 1
        steps = self.left.pop(0) if self.left else []
        try:
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    step()
                else:
                    yield step
            if not self.left:
                stop.set()
        finally:
            self.closed += 1


class Bench:
    """All parts of one service."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOON)
        self.stop = Stop(self.clock)
        self.broker = StandIn()
        self.health = HealthFile(folder, "vendor", [KEY], self.clock.now)
        self.seen: list[Health] = []

    def look(self) -> None:
        found = self.health.read()
        assert found is not None
        self.seen.append(found)

    def run(self, connect: Connect, reconnect: Backoff | None = None) -> Published:
        reconnect = reconnect or Backoff(draw=lambda: 1.0)
        return run_publisher("vendor", connect, cast(Publisher, self.broker), self.health, self.stop, reconnect)

    def stated(self) -> Health:
        found = self.health.read()
        assert found is not None
        return found


def tick(number: int, price: float = 10.0) -> Tick:
    return Tick(
        symbol="AAPL", event_time=number, price=price, currency="USD", source="vendor", event_id=str(number), size=1
    )


TICKS = [tick(number) for number in range(6)]
