"""a just started Spark Connect server -> one whose first real build is quick.

Belongs here: every stage once, over a small lake of its own, so that classes are loaded, plans compiled and the code of
the stages generated before anyone waits; then, in the background, the archive of classes for the next start.
Does not belong here: anything whose result matters. Runs once, under supervisor, after each start of Spark.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from datetime import date
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stock_assets.local import class_archive
from stock_assets.local.java import find_java
from stock_assets.local.program import LOOPBACK
from stock_assets.local.readiness import wait_for_port
from stock_assets.local.second_spark import free_port, start_server
from stock_assets.local.spark import archive
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START_DEADLINE_S = 120
ARCHIVE_DEADLINE_S = 900
IDLE_LOAD = 0.5
"""Processes that run or wait to, on average of a minute and of each processor."""
IDLE_POLL_S = 10.0
SESSION = date(2013, 2, 27)
MESSAGES = 3000


def warm(settings: Settings) -> int:
    """Build a session from a few thousand messages; returns the number of its metrics' rows."""
    lake = settings.local_dir / "spark" / "warm"
    shutil.rmtree(lake, ignore_errors=True)
    fill(str(lake))
    wait_for_port(settings.local.spark_port, START_DEADLINE_S)
    from pyspark.sql import SparkSession

    # Not stopped: that would close the sessions for all who share them.
    from spark.small_builds import fit_for_small_builds

    session = fit_for_small_builds(SparkSession.builder.remote(settings.small_spark_remote).create())
    return build(session, settings, lake)


def archive_classes(settings: Settings) -> bool:
    """Make the archive of classes that the server's next start uses, with a second server, once the machine is idle."""
    java = find_java(settings)
    kept = archive(settings, java)
    if kept.is_file():
        return True
    _wait_until_idle()
    folder, port = settings.local_dir / "spark" / "archiving", free_port()
    shutil.rmtree(folder, ignore_errors=True)

    def start(options: list[str]) -> subprocess.Popen[bytes]:
        return start_server(settings, java, folder, port, options, nice=19)

    def use() -> None:
        from pyspark.sql import SparkSession

        fill(str(folder / "lake"))
        wait_for_port(port, ARCHIVE_DEADLINE_S)
        spark = SparkSession.builder.remote(f"sc://{LOOPBACK}:{port}").create()
        build(spark, settings, folder / "lake")
        spark.stop()

    try:
        return class_archive.make(java, kept, start, use)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def build(spark: SparkSession, settings: Settings, lake: Path) -> int:
    """All stages of ``fill``'s session; returns the number of its metrics' rows."""
    from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars

    build_minute_bars(spark, str(lake), SESSION, SESSION)
    build_daily_bars(spark, str(lake), SESSION, SESSION)
    return len(build_daily_metrics(spark, str(lake), settings.market.bar_sources).changed)


def _wait_until_idle() -> None:
    """The lowest priority does not help others where the system shares the processors among groups of processes."""
    while os.getloadavg()[0] > IDLE_LOAD * (os.cpu_count() or 1):
        time.sleep(IDLE_POLL_S)


def fill(lake: str) -> None:
    """Raw tables as a landing leaves them, without a broker."""
    from deltalake import write_deltalake

    from stock_assets.domain.messages import encode
    from stock_assets.lake.tables import open_or_create_table
    from stock_assets.landing.decode import Decoder
    from stock_assets.landing.rows import rows_of
    from stock_assets.sources.shipped_history import shipped_messages
    from stock_assets.topic.consume import Chunk
    from stock_assets.topic.topics import TOPICS

    for kind, messages in groupby(islice(shipped_messages(SESSION), MESSAGES), type):
        topic = next(topic for topic in TOPICS.values() if topic.message is kind)
        values: list[bytes | None] = [encode(message) for message in messages]
        chunk = Chunk(0, np.arange(len(values)), values, np.zeros(len(values), dtype=np.int64))
        rows = rows_of(topic, chunk, Decoder(topic), "warm", "warm")
        write_deltalake(open_or_create_table(lake, topic.table), rows, mode="append")


if __name__ == "__main__":
    loaded = load_and_export()
    print(f"warm: {warm(loaded)} rows", flush=True)
    print(f"classes archived: {archive_classes(loaded)}")
