"""synthetic daily bars -> seconds and CPU-seconds of a Spark server that was just started, and of a warm one.

Each line is a server of its own: as a machine's first start has it, with the archive of classes, and the two sessions that
builds choose from (small: no generated code, no adaptive execution). Rows go through minute bars, daily bars and metrics.

Run: python benchmarks/cold_spark.py [ROWS ...] (daily bars; by default 2,510 three times, then 125,000)
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from own_services import machine
from pyspark.sql import SparkSession
from spark_metrics import SOURCE, write_raw

from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.local import class_archive
from stock_assets.local.java import find_java
from stock_assets.local.program import LOOPBACK, property_lines
from stock_assets.local.readiness import wait_for_port
from stock_assets.local.spark import archive, server_command, server_environment, server_properties
from stock_assets.settings.platform import Settings
from stock_assets.settings.spark import SMALL_BUILD

SESSIONS = 251
ROWS = (2_510, 2_510, 2_510, 125_000)
START_DEADLINE_S = 120


class Server:
    """A Spark Connect server in a folder of its own."""

    def __init__(self, folder: Path, with_archive: bool) -> None:
        settings = Settings.load()
        java = find_java(settings)
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port = probe.getsockname()[1]
        scratch, properties = folder / "scratch", folder / "spark.properties"
        scratch.mkdir()
        properties.write_text(property_lines(server_properties(settings, self.port, scratch)))
        options = class_archive.options(archive(settings, java)) if with_archive else []
        if with_archive and not options:
            raise SystemExit("There is no archive of classes yet: `stock-assets up` makes it in the background.")
        variables = [f"{name}={value}" for name, value in server_environment(settings).items()]
        began = time.monotonic()
        self.process = subprocess.Popen(
            ["/usr/bin/env", *variables, *server_command(settings, java, properties, scratch, options)],
            cwd=scratch,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port, START_DEADLINE_S)
        self.start_s = time.monotonic() - began

    def cpu_s(self) -> float:
        """CPU-seconds it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, with_archive: bool, small: bool, sizes: tuple[int, ...]) -> None:
    """Start a server, build lakes of these sizes one after the other, print a line."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), with_archive)
        try:
            spark = SparkSession.builder.remote(f"sc://{LOOPBACK}:{server.port}").create()
            for setting, value in SMALL_BUILD.items() if small else ():
                spark.conf.set(setting, value)
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
