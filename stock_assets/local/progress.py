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


@contextmanager
def telling(say: Say, describe: Callable[[float], str]) -> Iterator[Say]:
    """While the body works, say after each silence what ``describe`` makes of the seconds so far.

    The body reports by what this yields, which ends a silence. ``describe`` is called in another thread, even while the body
    is stuck in one long call.
    """
    ended, lock, began = threading.Event(), threading.Lock(), time.monotonic()
    last = began

    def report(line: str) -> None:
        nonlocal last
        with lock:
            last = time.monotonic()
            say(line)

    def fill() -> None:
        while not ended.wait(max(0.0, last + SILENCE_S - time.monotonic())):
            if time.monotonic() - last >= SILENCE_S:
                report(describe(time.monotonic() - began))

    thread = threading.Thread(target=fill, name="progress", daemon=True)
    thread.start()
    try:
        yield report
    finally:
        ended.set()
        thread.join()
