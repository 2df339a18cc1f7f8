"""raw ticks, touched minutes -> the bars of these minutes.

Belongs here: how much of a session must be read so that its minutes' bars are those of the batch.
Does not belong here: the rules of bars (``minute_bars``), windows over them (``stock_assets.live.windows``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark.minute_bars import minute_bars_from_ticks
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from spark.verdicts import withheld_because
from stock_assets.domain.eligibility import SNAPSHOT_SOURCES
from stock_assets.domain.tables import MINUTE_BARS

TouchedMinute = tuple[date, str, str, datetime]
"""trading_day, symbol, source (the vendor's) and start_time."""

MINUTE = timedelta(minutes=1)
MOST_RANGES = 20
_TOUCHED = "trading_day DATE, symbol STRING, source STRING, start_time TIMESTAMP"


def bars_of_session(raw_ticks: DataFrame, day: date, sources: Collection[str]) -> DataFrame:
    """MINUTE_BARS of all ticks of a session that no check refused.

    Args:
        sources: vendors among the session's ticks.
    """
    times = session_times(raw_ticks.sparkSession, day, day)
    of_day = raw_ticks.where(F.col("trading_day") == F.lit(day))
    return _unrefused(minute_bars_from_ticks(eligible_ticks(of_day, times, sources)))


def bars_of_touched(raw_ticks: DataFrame, touched: Sequence[TouchedMinute]) -> DataFrame:
    """MINUTE_BARS of the touched minutes; of sources that send snapshots, of all minutes of their symbols and sessions.

    A snapshot stands for the growth since the one before it, which a single minute does not tell. Files are ruled out by the
    times that Delta's log knows of them.
    """
    spark = raw_ticks.sparkSession
    times = session_times(spark, min(day for day, *_ in touched), max(day for day, *_ in touched))
    parts = []
    for snapshots in (False, True):
        chosen = [each for each in touched if (each[2] in SNAPSHOT_SOURCES) == snapshots]
        if not chosen:
            continue
        keys = ["trading_day", "symbol", "source", *([] if snapshots else ["minute"])]
        wanted = spark.createDataFrame(chosen, _TOUCHED).withColumnRenamed("start_time", "minute").select(*keys)
        days = F.col("trading_day").isin(*sorted({day for day, *_ in chosen}))
        ticks = raw_ticks.where(days if snapshots else days & _within([minute for *_, minute in chosen]))
        ticks = ticks.withColumn("minute", F.date_trunc("minute", "event_time"))
        ticks = ticks.join(F.broadcast(wanted.distinct()), keys, "left_semi").drop("minute")
        sources = {source for *_, source, _ in chosen}
        parts.append(_unrefused(minute_bars_from_ticks(eligible_ticks(ticks, times, sources))))
    return reduce(DataFrame.unionByName, parts)


def _unrefused(bars: DataFrame) -> DataFrame:
    return bars.where(withheld_because(MINUTE_BARS).isNull())


def _within(minutes: Collection[datetime]) -> Column:
    """That a tick's time is in one of these minutes, or between them when there are many stretches of them."""
    ordered = sorted(set(minutes))
    stretches = [[ordered[0], ordered[0] + MINUTE]]
    for minute in ordered[1:]:
        if minute > stretches[-1][1]:
            stretches.append([minute, minute])
        stretches[-1][1] = minute + MINUTE
    if len(stretches) > MOST_RANGES:
        stretches = [[ordered[0], ordered[-1] + MINUTE]]
    instant = F.col("event_time")
    return reduce(or_, ((instant >= F.lit(begin)) & (instant < F.lit(end)) for begin, end in stretches))
