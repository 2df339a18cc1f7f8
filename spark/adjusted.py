"""daily bars or metrics in their sessions' own basis, actions -> the same in the basis of a given day.

Belongs here: adjusting for splits when read; nothing adjusted is ever stored.
Does not belong here: un-adjusting what a vendor adjusted (``vendor_bars``).
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark.actions import actions_by_symbol, actions_of_vendor, split_factor, vendor_of
from spark.table_shape import PRICE
from stock_assets.domain.splits import PRICE_COLUMNS, VOLUME_COLUMNS


def adjusted_to(df: DataFrame, raw_actions: DataFrame, as_of: date) -> DataFrame:
    """Rows of DAILY_BARS or DAILY_METRICS with prices per share, and shares, as of ``as_of``.

    Prices are divided, volumes multiplied by the splits with trading_day < ex_date <= ``as_of``; columns, their order
    and types stay, and what is neither a price nor a number of shares stays as it is. What a column cannot hold in that basis
    is null.

    Args:
        raw_actions: rows of RAW_ACTIONS; those of the row's own vendor count when it states any, else the newest.
    """
    splits = F.broadcast(actions_by_symbol(raw_actions))
    own = actions_of_vendor(vendor_of(F.col("source")))
    factor = split_factor(own, until=F.lit(as_of), after=F.col("trading_day"))
    joined = df.join(splits, "symbol", "left").withColumn("split_factor", factor)
    types = dict(df.dtypes)
    prices = {
        name: F.try_divide(F.col(name).cast("double"), F.col("split_factor")).try_cast(PRICE)
        for name in df.columns
        if name in PRICE_COLUMNS
    }
    volumes = {
        name: (F.col(name).cast("double") * F.col("split_factor")).try_cast(types[name])
        for name in df.columns
        if name in VOLUME_COLUMNS
    }
    return joined.withColumns(prices | volumes).select(*df.columns)
