"""eligible ticks -> open, high, low, close, volume, vwap, trade count of each group.

Belongs here: what minutes and sessions share when their trades become a bar.
Does not belong here: which trades count (``ticks``), the tables' shapes (``minute_bars``, ``daily_bars``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark.ticks import STREAM
from spark.weighted_price import weighted_price
from stock_assets.domain.eligibility import SNAPSHOT_SOURCES


def bars_from_ticks(
    eligible: DataFrame, within: Sequence[str], among: Column, auctions: bool, *more: Column
) -> DataFrame:
    """One bar per stream and ``within`` of ``eligible_ticks``, from the ticks ``among`` each group's.

    Groups whose ticks update no price give no bar. Should a stream change its currency, its bars are those of the first
    currency by name: prices of two are never mixed.

    Args:
        auctions: prints of the auctions decide open and close, whatever came before or after them.
        more: further aggregates.

    Returns:
        trading_day, symbol, ``within``, source (the vendor's with ``_ticks``), currency; open (without a tick for it
        the first that may update the last price: a closing print alone makes a bar), high, low, close; volume: null
        when all are unknown; vwap: exact, over ticks that count both in volume and in prices; trade_count: null for
        snapshot feeds, whose frames are no trades; ``more``.
    """
    keys = (*STREAM, *within)
    first_currency = F.row_number().over(Window.partitionBy(*keys).orderBy("currency"))
    bars = (
        eligible.groupBy(*keys, "currency")
        .agg(*_figures(among, auctions), *more)
        .where("high IS NOT NULL AND close IS NOT NULL")
        .withColumn("preference", first_currency)
        .where("preference = 1")
    )
    trades = ~F.col("source").isin(*sorted(SNAPSHOT_SOURCES))
    named = {"trade_count": F.when(trades, F.col("trade_count")), "source": F.concat("source", F.lit("_ticks"))}
    return bars.withColumns(named).drop("preference")


# Only aggregates of numbers: one of texts or structs would make Spark sort all ticks instead of hashing them.


def _figures(among: Column, auctions: bool) -> list[Column]:
    opens = [F.col("updates_open"), F.col("updates_last")]
    late = F.lit(0)
    if auctions:
        opens.insert(0, F.col("opening_print") & F.col("updates_open"))
        late = F.col("closing_print").cast("int")
    rank = F.coalesce(*(F.when(condition, F.lit(n)) for n, condition in enumerate(opens)))
    first = F.when(among, _ranked(rank))
    last = F.when(among & F.col("updates_last"), _ranked(late))
    sized = among & F.col("updates_volume")
    priced = sized & (F.col("updates_high_low") | F.col("updates_last"))
    in_high_low = F.when(among & F.col("updates_high_low"), F.col("price"))
    return [
        F.min_by("price", first).alias("open"),
        F.max(in_high_low).alias("high"),
        F.min(in_high_low).alias("low"),
        F.max_by("price", last).alias("close"),
        F.sum(F.when(sized, F.col("volume"))).alias("volume"),
        weighted_price(F.when(priced, F.col("price")), F.when(priced, F.col("volume"))).alias("vwap"),
        F.count_if(sized).alias("trade_count"),
    ]


def _ranked(rank: Column) -> Column:
    """``position``, after all positions of a smaller ``rank``."""
    return F.shiftleft(rank.cast("bigint"), 52) + F.col("position")
