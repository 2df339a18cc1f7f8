"""synthetic daily bars -> seconds and CPU-seconds of a Spark server that was just started, and of a warm one.

Each line is a server of its own: as a machine's first start has it, with the archive of classes, and the two sessions that
builds choose from (small: no generated code, no adaptive execution). Rows go through minute bars, daily bars and metrics.

Run: python benchmarks/cold_spark.py [ROWS ...] (daily bars; by default 2,510 three times, then 125,000)
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from own_services import cpu_seconds_of, machine
from pyspark.sql import SparkSession
from spark_metrics import SOURCE, write_raw

from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from spark.small_builds import fit_for_small_builds
from stock_assets.local import class_archive
from stock_assets.local.java import find_java
from stock_assets.local.program import LOOPBACK
from stock_assets.local.readiness import wait_for_port
from stock_assets.local.second_spark import free_port, start_server
from stock_assets.local.spark import archive
from stock_assets.settings.platform import Settings

SESSIONS = 251
ROWS = (2_510, 2_510, 2_510, 125_000)
START_DEADLINE_S = 120


class Server:
    """A Spark Connect server in a folder of its own."""

    def __init__(self, folder: Path, with_archive: bool) -> None:
        settings = Settings.load()
        java = find_java(settings)
        self.port = free_port()
        options = class_archive.options(archive(settings, java)) if with_archive else []
        if with_archive and not options:
            raise SystemExit("There is no archive of classes yet: `stock-assets up` makes it in the background.")
        began = time.monotonic()
        self.process = start_server(settings, java, folder, self.port, options, quiet=True)
        wait_for_port(self.port, START_DEADLINE_S)
        self.start_s = time.monotonic() - began

    def cpu_s(self) -> float:
        """CPU-seconds it has used."""
        return cpu_seconds_of(self.process.pid)


def measure(name: str, with_archive: bool, small: bool, sizes: tuple[int, ...]) -> None:
    """Start a server, build lakes of these sizes one after the other, print a line."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), with_archive)
        try:
            spark = SparkSession.builder.remote(f"sc://{LOOPBACK}:{server.port}").create()
            if small:
                fit_for_small_builds(spark)
            print(f"{name:32}{server.start_s:7.1f}", end="", flush=True)
            for rows in sizes:
                with tempfile.TemporaryDirectory() as lake:
                    days = write_raw(lake, max(1, rows // SESSIONS), SESSIONS)
                    before = server.cpu_s()
                    stages = [
                        build_minute_bars(spark, lake, days[0], days[-1]),
                        build_daily_bars(spark, lake, days[0], days[-1]),
                        build_daily_metrics(spark, lake, [SOURCE]),
                    ]
                    print(
                        f"{sum(each.seconds for each in stages):10.1f} /{server.cpu_s() - before:5.0f}",
                        end="",
                        flush=True,
                    )
            print(f"{server.cpu_s():10.0f}")
            spark.stop()  # else the client would go on asking the dead server to forget its checkpoints
        finally:
            server.process.kill()
            server.process.wait()


def main(sizes: tuple[int, ...]) -> None:
    """All servers, a line each."""
    print(machine())
    print(f"{'seconds / CPU-seconds':32}{'start':>7}" + "".join(f"{rows:>10,} rows" for rows in sizes) + f"{'CPU':>7}")
    for with_archive in (False, True):
        for small in (False, True):
            name = f"{'archive' if with_archive else 'first start'}, {'small' if small else 'large'} builds"
            measure(name, with_archive, small, sizes)


if __name__ == "__main__":
    main(tuple(int(each.replace(",", "")) for each in sys.argv[1:]) or ROWS)
