"""settings -> the stream of windows: a Spark driver of its own.

Belongs here: its command and its properties. Does not belong here: what it does (``live.stream``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from stock_assets.local import class_archive
from stock_assets.local.java import Java
from stock_assets.local.program import LOOPBACK, WITH_STORE_KEYS, Program, java_options, property_lines, run_dir
from stock_assets.local.spark import (
    COMPILE_LATE,
    SPARK_JAVA_OPTIONS,
    SPARK_PROPERTIES,
    archive,
    class_path,
    s3a,
    server_environment,
)
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
        fresh=True,
        started_last=True,
        environment=server_environment(settings),
        files={properties: property_lines(stream_properties(settings, scratch))},
    )


def stream_properties(settings: Settings, scratch: Path) -> dict[str, str]:
    """Of the driver, which works by itself."""
    return {
        "spark.master": "local[*]",
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch.with_name("tables")),
        "spark.pyspark.driver.python": sys.executable,
        "spark.sql.streaming.minBatchesToRetain": "10",
        **SPARK_PROPERTIES,
        **s3a(settings),
    }


def stream_command(settings: Settings, java: Java, properties: Path, scratch: Path) -> list[str]:
    """Java, which starts the driver's Python."""
    return [
        # a driver that finds one of these takes itself for a client of Spark Connect
        *["/usr/bin/env", "-u", "SPARK_REMOTE", "-u", "SPARK_CONNECT_MODE_ENABLED"],
        *(WITH_STORE_KEYS if settings.lake_on_s3 else []),
        *[str(java.binary), *java_options(settings), *SPARK_JAVA_OPTIONS, f"-Djava.io.tmpdir={scratch}"],
        *class_archive.options(archive(settings, java)),
        *["-Xms128m", "-Xmx512m", "-XX:+ExitOnOutOfMemoryError", *COMPILE_LATE],
        *["-cp", ":".join(f"{folder}/*" for folder in class_path(settings))],
        *["org.apache.spark.deploy.SparkSubmit", "--properties-file", str(properties)],
        *driver_arguments(settings),
    ]


def driver_arguments(settings: Settings) -> list[str]:
    """The driver and its arguments, as ``spark-submit`` takes them."""
    checkpoint = settings.local_dir / "stream" / "checkpoint"
    return [str(DRIVER), "--checkpoint", str(checkpoint), "--every", f"{settings.live.window_trigger_s:g}"]
