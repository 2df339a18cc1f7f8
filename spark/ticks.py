"""raw ticks -> eligible ticks: each trade once, with what it may update.

Belongs here: identity (repeats of an event_id), conditions of a trade, membership of the regular session, the volume a
frame of a snapshot feed stands for, and the order of trades.
Does not belong here: the building of bars (``minute_bars``, ``daily_bars``), which aggregate these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark.session_times import phase, with_session_times, within_closing_grace
from spark.table_shape import PRICE, SHARES
from stock_assets.domain.eligibility import CONDITIONS, SNAPSHOT_SOURCES, Condition

STREAM = ("trading_day", "symbol", "source")
"""What ticks must share to be compared and ordered with each other."""

_ORDER = ("event_time", "sequence", "day_volume", "event_id")
_VALUES = ("price", "size", "bid", "ask", "exchange", "conditions", "currency")

# What a condition can say of a trade; each is one bit of the trade's ``said``.
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
_SAYINGS = {**_FORBIDS, **_MARKS}


def eligible_ticks(raw_ticks: DataFrame, times: DataFrame, sources: Collection[str] | None = None) -> DataFrame:
    """Accepted ticks, each event once, with what it may update.

    Args:
        raw_ticks: rows of RAW_TICKS.
        times: ``session_times`` of at least the sessions asked for; ticks of other days are left out.
        sources: the sources there are among the ticks, when known: shortens the plan.

    Returns:
        trading_day, symbol, source, event_time, price (DECIMAL(18,6)), currency; position: grows with event_time,
        sequence, day_volume, event_id within a stream (trading_day, symbol, source), less than 2**50; volume: shares
        the tick stands for, null where unknown; phase by the clock; regular: whether the tick belongs to the regular
        session; updates_open, updates_high_low, updates_last, updates_volume, opening_print, closing_print;
        close_time, half_day; repeats: how many rows were dropped because their event_id came before.
    """
    ticks = _each_event_once(raw_ticks.where("rejected_because IS NULL"))
    trades = ticks
    if sources is None or SNAPSHOT_SOURCES & set(sources):
        snapshot = F.col("source").isin(*sorted(SNAPSHOT_SOURCES))
        trades = ticks.where(~snapshot).unionByName(_frames(ticks.where(snapshot)))
    return _in_order(_with_marks(with_session_times(trades, times))).select(
        *(*STREAM, "event_time", "position", "price", "currency", "volume", "phase", "regular"),
        *(*_FORBIDS, "opening_print", "closing_print", "close_time", "half_day", "repeats"),
    )


def _each_event_once(ticks: DataFrame) -> DataFrame:
    """Of the rows with one event_id in a stream, the smallest by order and values; ``repeats`` counts the others."""
    # Sorting two million trades by identity costs seconds and finds a handful of repeats: a hash tells who may be one.
    hashed = ticks.withColumn("event_hash", F.xxhash64(*STREAM, "event_id"))
    suspects = hashed.groupBy("event_hash").count().where("count > 1").select("event_hash")
    event = Window.partitionBy(*STREAM, "event_id")
    rank = F.row_number().over(event.orderBy(*_ORDER[:-1], *_VALUES))
    once = hashed.join(suspects, "event_hash", "left_anti").withColumn("repeats", F.lit(0).cast("bigint"))
    chosen = (
        hashed.join(suspects, "event_hash", "left_semi")
        .withColumns({"rank": rank, "repeats": F.count("*").over(event) - 1})
        .where("rank = 1")
    )
    price, volume = F.col("price").cast(PRICE).alias("price"), F.col("size").cast(SHARES).alias("volume")
    names = (*STREAM, *_ORDER, price, volume, "currency", "conditions", "repeats")
    return once.select(*names).unionByName(chosen.select(*names))


def _frames(snapshots: DataFrame) -> DataFrame:
    """Frames of snapshot feeds; one stands for the growth of the session's cumulative volume, the first for none."""
    before = Window.partitionBy(*STREAM).orderBy(*_ORDER).rowsBetween(Window.unboundedPreceding, -1)
    reached = F.col("day_volume").cast(SHARES)
    growth = F.greatest(reached - F.max(reached).over(before), F.lit(0)).cast(SHARES)
    known = F.col("day_volume").isNotNull()
    return snapshots.withColumn("volume", F.when(known, F.coalesce(growth, F.lit(0))))


def _in_order(ticks: DataFrame) -> DataFrame:
    """Adds ``position``: one number to compare instead of four columns, so that bars need no sort of their own.

    All rows of a stream are in one partition, sorted, when they are numbered: the numbers (partition in the upper bits)
    order each stream, whatever was read first.
    """
    return (
        ticks.repartition(*STREAM).sortWithinPartitions(*_ORDER).withColumn("position", F.monotonically_increasing_id())
    )


def _with_marks(ticks: DataFrame) -> DataFrame:
    meanings: dict[str, dict[str, int]] = {}
    for condition in CONDITIONS:
        bits = sum(1 << bit for bit, says in enumerate(_SAYINGS.values()) if says(condition))
        meanings.setdefault(condition.source, {})[condition.code] = bits
    table = ticks.sparkSession.createDataFrame(sorted(meanings.items()), "source STRING, meanings MAP<STRING, INT>")

    def heard(so_far: Column, code: Column) -> Column:
        return so_far.bitwiseOR(F.coalesce(F.try_element_at("meanings", code), F.lit(0)))

    # Ticks without conditions, and sources without a table, are told nothing about.
    said = F.coalesce(F.aggregate("conditions", F.lit(0), heard), F.lit(0))

    def says(name: str) -> Column:
        return F.col("said").bitwiseAND(1 << list(_SAYINGS).index(name)) != 0

    marked = ticks.join(F.broadcast(table), "source", "left").withColumn("said", said)
    marked = marked.withColumns({name: ~says(name) for name in _FORBIDS} | {name: says(name) for name in _MARKS})
    instant = F.col("event_time")
    by_clock = (instant >= F.col("open_time")) & (instant < F.col("close_time"))
    late_close = F.col("closing_print") & within_closing_grace(instant)
    return marked.withColumns({"phase": phase(instant), "regular": (by_clock | late_close) & ~F.col("extended")})
