"""a process that forks others -> CPU-seconds and peak memory of all of them, from ``/proc``."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self


class Children:
    """What the processes that this one has while it is entered use; those already there count from their start.

    Memory is all of this process and, of the others, what is not mapped from files; what forked processes have in common
    is counted for each.
    """

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._cpu_s: dict[int, float] = {}
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._done.wait(0.25):
            total = 0.0
            for pid, cpu_s in _descendants(os.getpid()):
                with suppress(OSError):
                    self._cpu_s[pid] = cpu_s
                    total += _memory_mib(pid, "RssAnon")
            if total:
                self.peak_mib = max(self.peak_mib, total + _memory_mib(os.getpid(), "VmRSS"))


def _descendants(pid: int) -> Iterator[tuple[int, float]]:
    """Children of the process and theirs, each with its CPU-seconds."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            spent = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
            children[int(fields[1])].append((int(stat.parent.name), spent))
    waiting = [pid]
    while waiting:
        found = children[waiting.pop()]
        waiting += [child for child, _ in found]
        yield from found


def _memory_mib(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
