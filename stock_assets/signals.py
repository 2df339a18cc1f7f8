"""SIGTERM, SIGINT -> an event that long work looks at.

Belongs here: a graceful stop of the commands that run until they are told to end. Nothing else.
"""

from __future__ import annotations

import signal
import threading


def stop_event() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets; a second SIGINT interrupts at once."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, ask)
    return stop
