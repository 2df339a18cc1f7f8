"""Waiting for what threads and servers do, by condition; a clock that stands still."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PATIENCE_S = 60


@dataclass
class Clock:
    """The time, as a test sets it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def soon(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, but no test waits for ever."""
    until = time.monotonic() + PATIENCE_S
    for item in items:
        assert time.monotonic() < until, "what was waited for did not come"
        yield item


def take(items: Iterator[Any], count: int) -> list[Any]:
    """The next items that are not None, or fewer when there are no more."""
    return list(itertools.islice((item for item in soon(items) if item is not None), count))


def idle(items: Iterator[Any], condition: Callable[[], Any]) -> None:
    """Let the source go on, without a message, until the condition holds."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "the condition did not come true"
        assert next(items) is None


def wait_for(condition: Callable[[], Any], deadline_s: float = PATIENCE_S, pause_s: float = 0.05) -> Any:
    """What the condition gives, once it holds."""
    until, pause = time.monotonic() + deadline_s, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < until, "the condition did not come true"
        pause.wait(pause_s)
    return found
