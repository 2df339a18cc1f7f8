"""waiting -> time that passes.

Belongs here: a clock that only moves where somebody waits or the test says so, and a stop to wait for on it.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta


class Clock:
    """Time that stands still by itself."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Stop(threading.Event):
    """Waiting for it takes the whole time, on the clock; each wait is noted, and ``during`` it something may happen."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.waits: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.clock.at += timedelta(seconds=timeout)
        self.during()
        return self.is_set()
