"""a just started Spark Connect server -> one whose first real build is quick.

Belongs here: every stage once, over a small lake of its own, so that classes are loaded, plans compiled and the code of
the stages generated before anyone waits.
Does not belong here: anything whose result matters. Runs once, under supervisor, after each start of Spark.
"""

from __future__ import annotations

import shutil
from datetime import date
from itertools import groupby, islice

import numpy as np

from stock_assets.local.readiness import wait_for_port
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

START_DEADLINE_S = 120
SESSION = date(2013, 2, 27)
MESSAGES = 3000


def warm(settings: Settings) -> int:
    """Build a session from a few thousand messages; returns the number of its metrics' rows."""
    lake = settings.local_dir / "spark" / "warm"
    shutil.rmtree(lake, ignore_errors=True)
    fill(str(lake))
    wait_for_port(settings.local.spark_port, START_DEADLINE_S)
    from pyspark.sql import SparkSession

    from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars

    # Not stopped: that would close the session for all who share it.
    spark = SparkSession.builder.remote(settings.shared_spark_remote).getOrCreate()
    build_minute_bars(spark, str(lake), SESSION, SESSION)
    build_daily_bars(spark, str(lake), SESSION, SESSION)
    return len(build_daily_metrics(spark, str(lake), settings.market.bar_sources).changed)


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
    print(f"warm: {warm(load_and_export())} rows")
