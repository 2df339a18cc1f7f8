"""settings -> the stream as a process of its own, and a market that is landed while it runs.

Belongs here: starting, killing and watching the stream, ticks by a seed, some of them late, and what the windows must be in the end.
Does not belong here: expectations of single tests.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
from pyspark.sql import SparkSession

from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS
from stock_assets.live.sessions import compute_session
from stock_assets.live.state import StreamState, file_of, read_state
from stock_assets.live.store import read_rows
from stock_assets.local.java import find_java
from stock_assets.local.program import prepare
from stock_assets.local.stream import stream
from stock_assets.settings.platform import Settings
from stock_assets_tests.pipeline.raw_lake import DAY, land
from stock_assets_tests.pipeline.test_live_batch import trade


class StreamProcess:
    """The stream over one lake, with its own folder; ``log`` is what it printed since its last start."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program = stream(settings, find_java(settings))
        self.log = settings.local_dir / "logs" / "stream.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        prepare(self.program)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        file_of(self.settings.local_dir).unlink(missing_ok=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.program.command, cwd=self.program.directory, env={**os.environ, **self.program.environment},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def state(self) -> StreamState | None:
        return read_state(file_of(self.settings.local_dir))

    def reads(self) -> bool:
        """Whether it takes batches; a process that has ended is an error."""
        assert self.process is not None and self.process.poll() is None, self.log.read_text()[-2000:]
        return self.state is not None and self.state.reads

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Of Java and Python, as supervisor ends a group of processes."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            self.process.wait()
            while _any_left(self.process.pid):
                time.sleep(0.05)
            self.process = None

    def wait(self, seconds: float) -> None:
        """Leave it alone for so long.

        Raises:
            TimeoutExpired: it is there still.
        """
        assert self.process is not None
        self.process.wait(seconds)

    def python(self) -> int:
        """The process of the driver's Python."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = [int(child) for child in children] or [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if path.read_text().rsplit(")", 1)[1].split()[1] == str(self.process.pid)
        ]
        return found[0]


def _any_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Market(threading.Thread):
    """Lands ``rate`` ticks a second of two partitions, until it is stopped; ``late`` of them come 6 to 40 minutes late."""

    def __init__(self, lake: str, seed: int, rate: int, late: int, minutes_a_second: float = 2.0) -> None:
        super().__init__(daemon=True)
        self._lake, self._rate, self._chance = lake, rate, random.Random(seed)
        self._pace, self._stop_now = minutes_a_second, threading.Event()
        self.late_left, self.late = late, set[tuple[int, int]]()
        self.landed = [0, 0]
        self.clock = 0.0

    def run(self) -> None:
        while not self._stop_now.wait(1.0) or self.late_left:
            self.step()

    def step(self) -> None:
        """A second of the market."""
        for partition in (0, 1):
            records = []
            for number in range(self._rate // 2):
                at = self.clock + self._pace * number / (self._rate // 2)
                if self.late_left and self.clock > 45 and self._chance.random() < 0.02:
                    self.late.add((partition, self.landed[partition] + len(records)))
                    self.late_left -= 1
                    at -= self._chance.uniform(6, 40)
                price = round(self._chance.uniform(9, 11), 2)
                records.append(trade(at, f"S{partition}{self._chance.randrange(10)}", price=price,
                                     event_id=f"{partition}/{self.landed[partition] + len(records)}"))  # fmt: skip
            land(self._lake, records, partition)
            self.landed[partition] += len(records)
        self.clock = min(self.clock + self._pace, 380.0)

    def close(self) -> None:
        """Return when all late ticks were landed, too."""
        self._stop_now.set()
        self.join()


def ticks_in(lake: str) -> int:
    """Ticks that the windows hold, as their progress says."""
    return sum(read_rows(lake, WINDOW_PROGRESS)["ticks"].to_pylist())


def listed_late(lake: str) -> list[tuple[int, int]]:
    """Partition and offset of each late tick that is listed, as often as it is."""
    rows = read_rows(lake, LATE_TICKS)
    return sorted(zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True))


def differing_windows(spark: SparkSession, lake: str, day: date = DAY, windows_in: str = "") -> int:
    """Windows of a session that are not what one pass over its ticks computes, or missing, or too many.

    Args:
        windows_in: the lake of the windows, where it is not that of the ticks.
    """
    names = [name for name in INTRADAY_WINDOWS.names if name != "final"]
    held = read_rows(windows_in or lake, INTRADAY_WINDOWS)
    stored = held.filter(pc.equal(held["trading_day"], day)).select(names).to_pylist()
    wanted = compute_session(spark, lake, day)[0].select(names).to_pylist()
    return len({repr(row) for row in stored} ^ {repr(row) for row in wanted}) + abs(len(stored) - len(wanted))
