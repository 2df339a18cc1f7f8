"""raw ticks, vendors' minute bars -> minute bars.

Belongs here: how the trades of a minute become its bar, in every phase of the day.
Does not belong here: which trades count (``ticks``), which statement of a vendor counts (``vendor_bars``), sessions as
a whole (``daily_bars``).
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark.session_times import phase, with_session_times
from spark.table_shape import shaped
from spark.tick_bars import bars_from_ticks
from spark.vendor_bars import as_traded_bars
from stock_assets.domain.tables import MINUTE_BARS


def minute_bars_from_ticks(eligible: DataFrame) -> DataFrame:
    """MINUTE_BARS of ``eligible_ticks``; source is the vendor's with ``_ticks``.

    A print counts in the minute of its own event_time, the closing print too, and extended-hours trades count here.
    A minute whose ticks update no price gives no bar.
    """
    timed = eligible.withColumn("start_time", F.date_trunc("minute", "event_time"))
    minutes = bars_from_ticks(timed, ("start_time", "phase"), among=F.lit(True), auctions=False)
    return shaped(minutes, MINUTE_BARS)


def minute_bars_from_vendors(
    raw_bars: DataFrame, raw_actions: DataFrame, times: DataFrame, as_of: datetime | None = None
) -> DataFrame:
    """MINUTE_BARS of vendors' 1m bars under the vendors' own names, as traded; ``as_of``: as known at that instant."""
    bars = with_session_times(as_traded_bars(raw_bars, raw_actions, "1m", as_of), times).withColumns(
        {"phase": phase(F.col("start_time")), "vwap": F.lit(None), "trade_count": F.lit(None)}
    )
    return shaped(bars, MINUTE_BARS)
