"""answers -> the same answers again, made once for all visitors.

Belongs here: remembering by key, forgetting the oldest, and that nobody makes what another is making.
Does not belong here: which keys (``data``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Found = TypeVar("Found")


class Memory:
    """Answers by what they were made of; one is made at a time, so that ten visitors do not make the same ten times.

    What makes one may ask for others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, Any] = OrderedDict()
        self._known_lock, self._making = threading.Lock(), threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """What is known under ``key``, else what ``make`` returns; what it raises is not remembered."""
        found = self._look(key)
        if found is None:
            with self._making:
                found = self._look(key)
                if found is None:
                    found = (make(),)
                    with self._known_lock:
                        self._known[key] = found
                        while len(self._known) > self._most:
                            self._known.popitem(last=False)
        answer: Found = found[0]
        return answer

    def _look(self, key: Hashable) -> Any:
        with self._known_lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)
