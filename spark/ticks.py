"""raw ticks -> eligible ticks: each trade once, with what it may update.

Belongs here: identity (repeats of an event_id), conditions of a trade, membership of the regular session, the volume a
frame of a snapshot feed stands for, and the order of trades.
Does not belong here: the building of bars (``minute_bars``, ``daily_bars``), which aggregate these rows.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark.session_times import phase, with_session_times, within_closing_grace
from spark.table_shape import PRICE
from stock_assets.domain.eligibility import CONDITIONS, SNAPSHOT_SOURCES, Condition

_STREAM = ("trading_day", "symbol", "source")
_ORDER = ("event_time", "sequence", "day_volume", "event_id")
_VALUES = ("price", "size", "bid", "ask", "exchange", "conditions", "currency")

# The figures and marks of a trade -> which of its conditions speak about them.
_FORBIDS: dict[str, Callable[[Condition], bool]] = {
    "updates_open": lambda c: not c.updates_open,
    "updates_high_low": lambda c: not c.updates_high_low,
    "updates_last": lambda c: not c.updates_last,
    "updates_volume": lambda c: not c.updates_volume,
}
_MARKS: dict[str, Callable[[Condition], bool]] = {
    "opening_print": lambda c: c.opening_print,
    "closing_print": lambda c: c.closing_print,
    "extended": lambda c: c.extended,
}


def order() -> Column:
    """What trades of one stream are ordered by; nulls come first, offsets never matter."""
    return F.struct(*_ORDER)


def eligible_ticks(raw_ticks: DataFrame, times: DataFrame) -> DataFrame:
    """Accepted ticks, each event once, with what it may update.

    Args:
        raw_ticks: rows of RAW_TICKS.
        times: ``session_times`` of at least the sessions asked for; ticks of other days are left out.

    Returns:
        trading_day, symbol, source, event_time, sequence, day_volume, event_id, price (DECIMAL(18,6)), currency;
        volume: shares the tick stands for, null where unknown; phase by the clock; regular: whether the tick belongs to
        the regular session; updates_open, updates_high_low, updates_last, updates_volume, opening_print,
        closing_print; close_time, half_day; repeats: how many rows were dropped because their event_id came before.
    """
    ticks = _each_event_once(raw_ticks.where("rejected_because IS NULL"))
    snapshot = F.col("source").isin(*sorted(SNAPSHOT_SOURCES))
    trades = ticks.where(~snapshot).withColumn("volume", F.col("size"))
    frames = _frames(ticks.where(snapshot))
    return _with_marks(with_session_times(trades.unionByName(frames), times)).drop(
        "size", "conditions", "pre_open_time", "open_time", "post_close_time", "extended"
    )


def _each_event_once(ticks: DataFrame) -> DataFrame:
    """Of the rows with one event_id in a stream, the smallest by order and values; ``repeats`` counts the others."""
    # Sorting two million trades by identity costs seconds and finds a handful of repeats: a hash tells who may be one.
    hashed = ticks.withColumn("event_hash", F.xxhash64(*_STREAM, "event_id"))
    suspects = hashed.groupBy("event_hash").count().where("count > 1").select("event_hash")
    event = Window.partitionBy(*_STREAM, "event_id")
    rank = F.row_number().over(event.orderBy(*_ORDER[:-1], *_VALUES))
    once = hashed.join(suspects, "event_hash", "left_anti").withColumn("repeats", F.lit(0).cast("bigint"))
    chosen = (
        hashed.join(suspects, "event_hash", "left_semi")
        .withColumns({"rank": rank, "repeats": F.count("*").over(event) - 1})
        .where("rank = 1")
    )
    names = (*_STREAM, *_ORDER, F.col("price").cast(PRICE).alias("price"), "size", "currency", "conditions", "repeats")
    return once.select(*names).unionByName(chosen.select(*names))


def _frames(snapshots: DataFrame) -> DataFrame:
    """Frames of snapshot feeds; one stands for the growth of the session's cumulative volume, the first for none."""
    before = Window.partitionBy(*_STREAM).orderBy(*_ORDER).rowsBetween(Window.unboundedPreceding, -1)
    growth = F.greatest(F.col("day_volume") - F.max("day_volume").over(before), F.lit(0))
    known = F.col("day_volume").isNotNull()
    return snapshots.withColumn("volume", F.when(known, F.coalesce(growth, F.lit(0))))


def _with_marks(ticks: DataFrame) -> DataFrame:
    spark = ticks.sparkSession
    speaks = {**_FORBIDS, **_MARKS}
    sources = sorted({condition.source for condition in CONDITIONS})
    codes = [
        (source, *([c.code for c in CONDITIONS if c.source == source and about(c)] for about in speaks.values()))
        for source in sources
    ]
    table = spark.createDataFrame(codes, "source STRING, " + ", ".join(f"{name} ARRAY<STRING>" for name in speaks))

    def carries(name: str) -> Column:
        # Ticks without conditions, and sources without a table, carry none of the codes.
        return F.coalesce(F.arrays_overlap("conditions", name), F.lit(False))

    marked = ticks.join(F.broadcast(table), "source", "left").withColumns(
        {name: ~carries(name) for name in _FORBIDS} | {name: carries(name) for name in _MARKS}
    )
    instant = F.col("event_time")
    by_clock = (instant >= F.col("open_time")) & (instant < F.col("close_time"))
    late_close = F.col("closing_print") & within_closing_grace(instant)
    return marked.withColumns({"phase": phase(instant), "regular": (by_clock | late_close) & ~F.col("extended")})
