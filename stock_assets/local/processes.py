"""local_dir -> the processes that were started for it.

Belongs here: finding them by the mark that each service and its children carry in their environment, and ending
exactly those. The mark survives a crash of supervisor and a change of process group, which a list of ids does not.
Does not belong here: stopping in order, which is supervisor's (services.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 10.0


def owned(local_dir: Path) -> list[int]:
    """Ids of living processes that were started as, or by, an embedded service of ``local_dir``; never this one."""
    place, service = f"STOCK_ASSETS_LOCAL={local_dir}", "STOCK_ASSETS_SERVICE="
    mine = os.getpid()
    if sys.platform != "linux":
        return [pid for pid in _listed_with(place, service) if pid != mine]
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == mine:
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to someone else
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            if place in variables and any(each.startswith(service) for each in variables):
                found.append(int(entry.name))
    return found


def _listed_with(place: str, service: str) -> list[int]:
    """The same by ``ps``, which shows the environment after the command."""
    answer = subprocess.run(["ps", "-axwwE", "-o", "pid=,command="], capture_output=True, text=True, check=False)
    rows = (line.split(None, 1) for line in answer.stdout.splitlines())
    return [int(row[0]) for row in rows if len(row) == 2 and f" {place} " in f"{row[1]} " and f" {service}" in row[1]]


def end_all(local_dir: Path) -> int:
    """End them, politely first; returns how many there were. Every one is gone afterwards."""
    ended: set[int] = set()
    politely_until = time.monotonic() + GRACE_S
    asked: set[int] = set()
    while pids := owned(local_dir):
        ended.update(pids)
        late = time.monotonic() > politely_until
        for pid in pids:
            if late or pid not in asked:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(pid)
        if time.monotonic() > politely_until + GRACE_S:  # not ours to end, or stuck in the kernel
            break
        time.sleep(0.1)
    return len(ended)
