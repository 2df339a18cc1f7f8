"""questions that may hang -> answers within a bounded time.

Belongs here: asking several at once, each in a thread of its own, and going on without those that do not answer.
Does not belong here: the questions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from stock_assets.domain.errors import ServiceUnavailable

Answer = TypeVar("Answer")


def side_by_side(questions: Mapping[str, Callable[[], Answer]], patience_s: float) -> dict[str, Answer | Exception]:
    """The answer to each question by its name, or what asking it raised.

    Args:
        patience_s: seconds for all of them; one that takes longer is given up as a ``ServiceUnavailable``. Its thread ends
            with the question, at the latest with the process.
    """
    answers: dict[str, Answer | Exception] = {}

    def ask(name: str, question: Callable[[], Answer]) -> None:
        try:
            answer: Answer | Exception = question()
        except Exception as broken:  # noqa: BLE001 - whatever it is, it is the answer
            answer = broken
        answers[name] = answer

    threads = [threading.Thread(target=ask, args=each, name=each[0], daemon=True) for each in questions.items()]
    end = time.monotonic() + patience_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    given = dict(answers)
    late = ServiceUnavailable(f"no answer within {patience_s:.0f} s")
    return {name: given.get(name, late) for name in questions}
