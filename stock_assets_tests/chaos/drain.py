"""The drain of a soak, as a process that can be watched, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from stock_assets_tests.checkout import PROJECT

LONGEST_S = 120.0


class Drain:
    """One process of ``drainer``; a context manager that leaves none behind."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._said = threading.Condition()

    def restart(self, *arguments: str) -> None:
        """End the present process, if any, and start one with these arguments."""
        self.kill()
        with self._said:
            self._lines = []
        command = [sys.executable, "-m", "stock_assets_tests.chaos.drainer", *arguments]
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._process = process
        threading.Thread(target=self._listen, args=(process, self._lines), daemon=True).start()

    def start(self) -> None:
        """Start one without arguments unless one lives."""
        if self._process is None or self._process.poll() is not None:
            self.restart()

    def kill(self) -> int | None:
        """Kill -9; the exit status, None when there was no process."""
        if self._process is None:
            return None
        self._process.kill()
        status = self._process.wait(LONGEST_S)
        self._process = None
        return status

    def wait_until_dead(self) -> int:
        """The exit status of a process that ends by itself."""
        assert self._process is not None
        return self._process.wait(LONGEST_S)

    def wait_for(self, *beginnings: str) -> str:
        """The next line from now on that begins with one of these; a dead or absent process is started first."""
        self.start()
        with self._said:
            seen, deadline = len(self._lines), time.monotonic() + LONGEST_S
            while True:
                for line in self._lines[seen:]:
                    if line.startswith(beginnings):
                        return line
                seen = len(self._lines)
                left = deadline - time.monotonic()
                assert left > 0, f"no line began with {beginnings}; the last ones: {self._lines[-5:]}"
                self._said.wait(left)

    def _listen(self, process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._said:
                lines.append(line.rstrip())
                self._said.notify_all()

    def __enter__(self) -> Self:
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
