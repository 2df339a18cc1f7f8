"""raw ticks -> which minutes they touch, how far their partitions are, and which of them are late.

Belongs here: what is told of ticks as they come, in the order of their offsets, which does not depend on how they are cut into
batches. Does not belong here: what becomes of the minutes (``window_minutes``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from stock_assets.domain.live_tables import LATENESS

KnownPlace = tuple[date, str, str, int, int, datetime]
"""trading_day, source, topic_id, kafka_partition; next offset; largest min(event_time, kafka_time) below it."""

_PLACE = ("trading_day", "source", "topic_id", "kafka_partition")
_KNOWN = (
    "trading_day DATE, source STRING, topic_id STRING, kafka_partition INT, known_offset BIGINT, known_time TIMESTAMP"
)


def known_places(spark: SparkSession, places: list[KnownPlace]) -> DataFrame:
    """What is known of the partitions, as ``touched_minutes`` takes it."""
    return spark.createDataFrame(places, _KNOWN)


def touched_minutes(raw_ticks: DataFrame, known: DataFrame) -> DataFrame:
    """One row per minute of a symbol, source and partition that accepted ticks belong to.

    A tick is late when an earlier offset of its partition, session and source has a time more than LATENESS after its own. That time
    is the event's, or the broker's when the event claims to be after it: a tick from the future makes no other one late.

    Args:
        raw_ticks: rows of RAW_TICKS.
        known: ``known_places``; of offsets below the known one nothing is counted again, and none is late.

    Returns:
        trading_day, source, topic_id, kafka_partition, symbol, start_time; ticks (not known before), next_offset, newest_time;
        late: structs of kafka_offset, event_time, kafka_time, newest_time.
    """
    ticks = raw_ticks.where("rejected_because IS NULL").join(F.broadcast(known), list(_PLACE), "left")
    arrived = F.least("event_time", "kafka_time")
    before = Window.partitionBy(*_PLACE).orderBy("kafka_offset").rowsBetween(Window.unboundedPreceding, -1)
    fresh = F.col("kafka_offset") >= F.coalesce("known_offset", F.lit(0))
    ticks = ticks.withColumns(
        {
            "start_time": F.date_trunc("minute", "event_time"),
            "fresh": fresh,
            "arrived": arrived,
            "newest_before": F.greatest(F.max(arrived).over(before), F.col("known_time")),
        }
    )
    lateness = F.expr(f"INTERVAL {LATENESS // timedelta(seconds=1)} SECONDS")
    late = F.col("fresh") & (F.col("event_time") < F.col("newest_before") - lateness)
    told = F.struct("kafka_offset", "event_time", "kafka_time", F.col("newest_before").alias("newest_time"))
    return ticks.groupBy(*_PLACE, "symbol", "start_time").agg(
        F.count_if("fresh").alias("ticks"),
        (F.max("kafka_offset") + 1).alias("next_offset"),
        F.max("arrived").alias("newest_time"),
        F.collect_list(F.when(late, told)).alias("late"),
    )
