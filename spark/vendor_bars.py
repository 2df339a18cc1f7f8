"""raw bars, raw actions -> vendors' bars, newest statement each, as traded.

Belongs here: which statement of a vendor counts, and undoing its adjustment for splits.
Does not belong here: the shape of our tables (``minute_bars``, ``daily_bars``).
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import and_
from typing import Literal

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark.actions import actions_by_symbol, actions_of_vendor, split_factor
from spark.table_shape import PRICE, SHARES
from spark.verdicts import withheld_because
from stock_assets.domain.messages import instant
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.table import WITHHELD
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS

_PRICES = ("open", "high", "low", "close")
_VALUES = (*_PRICES, "volume")


def known_by(statements: DataFrame, as_of: datetime | None) -> DataFrame:
    """The rows of RAW_BARS or RAW_ACTIONS whose known_at is not after ``as_of``; all of them when it is None."""
    if as_of is None:
        return statements
    return statements.where(F.col("known_at") <= F.timestamp_micros(F.lit(instant(as_of))))


def as_traded_bars(
    raw_bars: DataFrame, raw_actions: DataFrame, interval: Literal["1d", "1m"], as_of: datetime | None = None
) -> DataFrame:
    """Accepted bars of one interval, the newest known_at of each, with as-traded prices and volume.

    A statement whose prices, or volume, no column can hold as they were traded (a split of it is absurd) does not count, and
    one that breaks a critical rule only when the vendor made no other: a bad correction never replaces a good bar.

    Args:
        as_of: bars and actions as they were known at that instant; now when None.

    Returns:
        trading_day, symbol, source, start_time, open, high, low, close (DECIMAL(18,6)), volume (shares), currency,
        final, known_at; one row per source, symbol and session (1d) or start_time (1m); withheld_because: the critical rules
        that the statement breaks, null when none.
    """
    table = DAILY_BARS if interval == "1d" else MINUTE_BARS
    identity = ["source", "symbol", "trading_day", *(["start_time"] if interval == "1m" else [])]
    best_first = [
        F.col(WITHHELD.name).isNotNull(),
        F.desc("known_at"),
        F.desc("final"),
        *(F.desc(f"stated_{name}") for name in _VALUES),
        F.desc("price_basis"),
    ]
    statements = known_by(raw_bars, as_of).where((F.col("rejected_because").isNull()) & (F.col("interval") == interval))
    # Only the splits the vendor knew when it answered are in its numbers.
    known_day = F.to_date(F.from_utc_timestamp("known_at", EXCHANGE_ZONE.key))
    factor = F.when(
        F.col("price_basis") == "split_adjusted",
        split_factor(actions_of_vendor(F.col("source")), until=known_day, after=F.col("trading_day")),
    ).otherwise(1.0)

    as_traded = {name: (F.col(name) * F.col("factor")).try_cast(PRICE) for name in _PRICES}
    stated = F.col("volume").cast(SHARES)
    unadjusted = F.try_divide(stated.cast("double"), F.col("factor"))
    volume = (
        F.when(F.col("factor") == 1.0, stated)
        # who states whole shares rounded them when adjusting
        .when(stated == F.floor(stated), F.round(unadjusted).try_cast(SHARES))
        .otherwise(unadjusted.try_cast(SHARES))
    )
    known_volume = F.col("volume").isNotNull() | F.col("stated_volume").isNull()
    held = reduce(and_, (F.coalesce(F.col(name) > 0, F.lit(False)) for name in _PRICES), known_volume)
    return (
        statements.join(F.broadcast(actions_by_symbol(known_by(raw_actions, as_of))), "symbol", "left")
        .withColumn("factor", factor)
        .withColumns({f"stated_{name}": F.col(name) for name in _VALUES})
        .withColumns(as_traded | {"volume": volume})
        .where(held)
        .withColumn(WITHHELD.name, withheld_because(table, _VALUES))
        .withColumn("statement", F.row_number().over(Window.partitionBy(*identity).orderBy(*best_first)))
        .where("statement = 1")
        .select(
            "trading_day", "symbol", "source", "start_time", *_VALUES, "currency", "final", "known_at", WITHHELD.name
        )
    )
