"""eligible ticks of one group -> open, high, low, close, volume, vwap, trade count.

Belongs here: the aggregates that minutes and sessions share.
Does not belong here: what a session adds to them (prints of the auctions, repeats).
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from stock_assets.domain.eligibility import SNAPSHOT_SOURCES


def tick_figures(among: Column, auctions: bool) -> list[Column]:
    """Aggregates over the ticks ``among`` the group's, each under its name in the tables of bars.

    open, high, low, close: null when no tick may update them (without a tick for open it falls back to the first that
    may update the last price: a closing print alone makes a bar); volume: null when all are unknown; vwap: exact, over
    ticks that count both in volume and in prices; trade_count: null for snapshot feeds, whose frames are no trades;
    currency.

    Args:
        auctions: prints of the auctions decide open and close, whatever came before or after them.
    """
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
    # Decimals, as the sum of doubles would depend on the order in which Spark happens to add them.
    turnover = F.sum(F.when(priced, F.col("price") * F.col("volume")))
    shares = F.sum(F.when(priced, F.col("volume")))
    snapshot = F.max("source").isin(*(f"{name}_ticks" for name in sorted(SNAPSHOT_SOURCES)))
    return [
        F.min_by("price", first).alias("open"),
        F.max(in_high_low).alias("high"),
        F.min(in_high_low).alias("low"),
        F.max_by("price", last).alias("close"),
        F.sum(F.when(sized, F.col("volume"))).alias("volume"),
        (turnover / F.nullif(shares, F.lit(0))).alias("vwap"),
        F.when(~snapshot, F.count_if(sized)).alias("trade_count"),
        F.min("currency").alias("currency"),
    ]


def _ranked(rank: Column) -> Column:
    """``position``, after all positions of a smaller ``rank``."""
    return F.shiftleft(rank.cast("bigint"), 52) + F.col("position")
