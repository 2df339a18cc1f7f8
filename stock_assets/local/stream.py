"""settings -> the stream of windows: a Spark driver of its own.

Belongs here: its command and its properties. Does not belong here: what it does (``live.stream``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from stock_assets.local import class_archive
from stock_assets.local.java import Java
from stock_assets.local.program import Program, property_lines, run_dir
from stock_assets.local.spark import archive, driver_properties, server_environment, submit_command
from stock_assets.local.spark_metrics import metrics_ports, metrics_properties
from stock_assets.settings.platform import Settings

DRIVER = Path(__file__).resolve().parent.parent / "live" / "stream.py"


def stream(settings: Settings, java: Java) -> Program:
    """The stream under supervisor; it waits for the first ticks itself."""
    scratch = settings.local_dir / "stream" / "scratch"
    properties = run_dir(settings) / "stream.properties"
    return Program(
        "stream",
        stream_command(settings, java, properties, scratch),
        scratch,
        ports=metrics_ports(settings.spark.stream_metrics_port),
        fresh=True,
        started_last=True,
        environment=server_environment(settings),
        files={properties: property_lines(stream_properties(settings, scratch))},
    )


def stream_properties(settings: Settings, scratch: Path) -> dict[str, str]:
    """Of the driver, which works by itself."""
    return {
        "spark.pyspark.driver.python": sys.executable,
        "spark.sql.streaming.minBatchesToRetain": "10",
        **driver_properties(settings, scratch),
        **metrics_properties(settings.spark.stream_metrics_port),
    }


def stream_command(settings: Settings, java: Java, properties: Path, scratch: Path) -> list[str]:
    """Java, which starts the driver's Python."""
    archived = class_archive.options(archive(settings, java))
    return [
        # a driver that finds one of these takes itself for a client of Spark Connect
        *["/usr/bin/env", "-u", "SPARK_REMOTE", "-u", "SPARK_CONNECT_MODE_ENABLED"],
        *submit_command(settings, java, properties, scratch, [*archived, "-Xms128m", "-Xmx512m"]),
        *driver_arguments(settings),
    ]


def driver_arguments(settings: Settings) -> list[str]:
    """The driver and its arguments, as ``spark-submit`` takes them."""
    checkpoint = settings.local_dir / "stream" / "checkpoint"
    return [str(DRIVER), "--checkpoint", str(checkpoint), "--every", f"{settings.live.window_trigger_s:g}"]
