"""ticks of 500 symbols, a minute at a time -> CPU-seconds, seconds and memory of the stream of windows, beside Spark's own.

Half an hour of the session is there before anything is measured. Each measured minute is landed at once; it counts as done when the
windows hold it. The driver's Java and Python are counted, the landing is not. Spark's own are windows of an hour alone.

Run: python benchmarks/live_windows.py [TICKS_A_SECOND ...] (by default 4 and 1000)
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from own_services import machine

from stock_assets.domain.live_tables import WINDOW_PROGRESS
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, table_uri
from stock_assets.landing.commit import commit
from stock_assets.live.store import read_rows
from stock_assets.local.java import find_java
from stock_assets.local.program import prepare
from stock_assets.local.stream import driver_arguments, stream
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export
from stock_assets.topic.topics import TICKS

DAY = date(2024, 11, 26)
SYMBOLS, PARTITIONS = 500, 2
BEFORE, WARM, MEASURED = 30, 3, 5
DEADLINE_S = 600
PATIENCE_S = 0.2


def land_minute(lake: str, rate: int, minute: int, chance: np.random.Generator) -> int:
    """Ticks of one minute after the open; returns how many."""
    count = rate * 60
    landed = 0
    for partition in range(PARTITIONS):
        number = count // PARTITIONS
        opened = round((session(DAY).open_time + timedelta(minutes=minute)).timestamp() * 1e6)
        times = opened + np.sort(chance.integers(0, 60_000_000, number))
        symbols = chance.integers(0, SYMBOLS // PARTITIONS, number) * PARTITIONS + partition
        table = open_or_create_table(lake, RAW_TICKS)
        first = table.transaction_version(f"bench/{partition}") or 0
        columns = {
            "trading_day": pa.repeat(pa.scalar(DAY), number), "phase": pa.repeat("regular", number),
            "symbol": pa.array([f"S{each:03}" for each in symbols]), "event_time": pa.array(times, pa.timestamp("us", "UTC")),
            "price": np.round(100 + chance.normal(0, 1, number), 2), "currency": pa.repeat("USD", number),
            "size": pa.array(chance.integers(1, 500, number)).cast(RAW_TICKS.arrow_schema().field("size").type),
            "source": pa.repeat("simulator", number), "event_id": pa.array([f"{partition}/{first + n}" for n in range(number)]),
            "topic_id": pa.repeat("bench", number), "kafka_partition": pa.repeat(pa.scalar(partition, pa.int32()), number),
            "kafka_offset": pa.array(np.arange(first, first + number)), "offset_span": pa.repeat(1, number),
            "kafka_time": pa.array(times + 100_000, pa.timestamp("us", "UTC")), "landing_id": pa.repeat(uuid.uuid4().hex, number),
        }  # fmt: skip
        schema = RAW_TICKS.arrow_schema()
        rows = pa.Table.from_arrays(
            [pa.array(columns[f.name]) if f.name in columns else pa.nulls(number, f.type) for f in schema],
            schema=schema,
        )
        commit(
            lake,
            TICKS,
            table,
            rows,
            "bench",
            {partition: first},
            {partition: first + number},
            rows["landing_id"][0].as_py(),
        )
        landed += number
    return landed


class Driver:
    """A driver's processes: Java, which started Python."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        with (folder / "driver.log").open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
            )

    def _all(self) -> list[psutil.Process]:
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def cpu_s(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in self._all())

    def megabytes(self) -> float:
        return sum(each.memory_info().rss for each in self._all()) / 1e6

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def measure(
    name: str, rate: int, start: Callable[[Settings, Path], Driver], done: Callable[[Settings, Path], int]
) -> None:
    """One line: a driver over a lake of its own; ``done`` tells how many minutes' landings it has taken."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {"STOCK_ASSETS_LOCAL": temporary, "LAKE_ROOT": f"{temporary}/lake", "WINDOW_TRIGGER_S": "5"}
        settings = load_and_export()
        chance = np.random.default_rng(1)
        total = sum(land_minute(settings.lake_root, rate, minute, chance) for minute in range(BEFORE))
        driver = start(settings, folder)
        try:
            total += land_minute(settings.lake_root, rate, BEFORE, chance)
            cpu, wall, memory = [], [], 0.0
            for minute in range(BEFORE + 1, BEFORE + 1 + WARM + MEASURED):
                _await(lambda: done(settings, folder), total, driver)
                used = driver.cpu_s()
                total += land_minute(settings.lake_root, rate, minute, chance)
                landed = time.monotonic()
                _await(lambda: done(settings, folder), total, driver)
                if minute > BEFORE + WARM:
                    cpu.append(driver.cpu_s() - used)
                    wall.append(time.monotonic() - landed)
                memory = max(memory, driver.megabytes())
            print(
                f"{name:28}{rate:8,}{statistics.median(cpu):10.1f}{statistics.median(wall):10.1f}{memory:10,.0f}",
                flush=True,
            )
        finally:
            driver.end()


def _await(done: Callable[[], int], total: int, driver: Driver) -> None:
    end = time.monotonic() + DEADLINE_S
    while done() < total:
        if driver.process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"the driver did not get so far: {(Path(driver.process.args[-1])).name}")
        time.sleep(PATIENCE_S)


def start_ours(settings: Settings, folder: Path) -> Driver:
    """The stream as `stock-assets up` starts it."""
    program = stream(settings, find_java(settings))
    prepare(program)
    return Driver(program.command, program.environment, folder)


def start_direct(settings: Settings, folder: Path) -> Driver:
    """The same Java, with the other driver."""
    program = stream(settings, find_java(settings))
    prepare(program)
    place = program.command.index(driver_arguments(settings)[0])
    other = [str(Path(__file__).with_name("direct_windows.py")), table_uri(settings.lake_root, RAW_TICKS), str(folder)]
    return Driver([*program.command[:place], *other], program.environment, folder)


def ticks_of_ours(settings: Settings, _: Path) -> int:
    """Ticks that the windows hold."""
    return sum(read_rows(settings.lake_root, WINDOW_PROGRESS)["ticks"].to_pylist())


def ticks_of_direct(settings: Settings, folder: Path) -> int:
    """Rows of the table's versions that were read, by the newest checkpointed offset whose batch has ended."""
    import json

    taken = folder / "batches"
    if not taken.is_file() or not taken.read_text():
        return 0
    offset = (folder / "checkpoint" / "offsets" / taken.read_text()).read_text().splitlines()[-1]
    said = json.loads(offset)
    handle = open_or_create_table(settings.lake_root, RAW_TICKS)
    version = said["reservoirVersion"] - (1 if said["index"] == -1 else 0)
    if version < 0:
        return 0
    handle.load_as_version(min(version, handle.version()))
    return handle.count()


if __name__ == "__main__":
    rates = [int(each) for each in sys.argv[1:]] or [4, 1000]
    print(f"{machine()}; {SYMBOLS} symbols, median of {MEASURED} minutes after {BEFORE + WARM}\n")
    print(f"{'contender':28}{'ticks/s':>8}{'CPU-s':>10}{'seconds':>10}{'MB':>10}")
    for each in rates:
        measure("windows of 1, 15, 60 min", each, start_ours, ticks_of_ours)
        measure("Spark's own, 60 min alone", each, start_direct, ticks_of_direct)
