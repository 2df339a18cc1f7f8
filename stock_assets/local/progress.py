"""long work -> a line every few seconds, so that nobody wonders whether it stands still.

Belongs here: when such a line is due. Does not belong here: what it says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SILENCE_S = 2.5
"""After that long without a line there is one about what goes on."""

Say = Callable[[str], None]


class Narrator:
    """``say``, and how long ago that was; for a loop that looks at something again and again."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        self._last = time.monotonic()
        self._say(line)

    def fill(self, describe: Callable[[], str]) -> None:
        """Say what goes on, if it was silent for too long."""
        if time.monotonic() - self._last >= SILENCE_S:
            self(describe())


@contextmanager
def telling(say: Say, describe: Callable[[float], str]) -> Iterator[None]:
    """While the body works, say every few seconds what ``describe`` makes of the seconds so far."""
    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not ended.wait(SILENCE_S):
            say(describe(time.monotonic() - began))

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
