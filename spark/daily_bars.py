"""raw ticks, vendors' minute and daily bars -> daily bars.

Belongs here: how a session becomes one bar per source; all sources are kept, none is preferred here.
Does not belong here: which trades count (``ticks``), which statement of a vendor counts (``vendor_bars``), what is
computed over several sessions (``daily_metrics``).
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark.session_times import phase, with_session_times
from spark.table_shape import shaped
from spark.tick_bars import bars_from_ticks
from spark.vendor_bars import as_traded_bars
from spark.weighted_price import weighted_price
from stock_assets.domain.eligibility import PARTIAL_SOURCES
from stock_assets.domain.table import WITHHELD
from stock_assets.domain.tables import DAILY_BARS


def daily_bars_from_ticks(eligible: DataFrame) -> DataFrame:
    """DAILY_BARS of ``eligible_ticks``; source is the vendor's with ``_ticks``.

    Open is the first opening print, else the first eligible price; close the last closing print, else the last
    eligible price; high, low, volume and vwap include the prints of the auctions. ``final`` once a tick at or after the
    close was seen; ``known_at`` is the newest event_time of the regular session; ``repeats`` counts the whole day. A
    session without an eligible price gives no bar.
    """
    regular = F.col("regular")
    sessions = bars_from_ticks(
        eligible,
        ("half_day",),
        regular,
        True,
        F.sum("repeats").alias("repeats"),
        F.bool_or(F.col("event_time") >= F.col("close_time")).alias("final"),
        F.max(F.when(regular, F.col("event_time"))).alias("known_at"),
    )
    sessions = sessions.withColumns(
        {"vwap_from": F.when(F.col("vwap").isNotNull(), "ticks"), "no_auction": F.lit(False)}
    )
    return _shaped(sessions)


def daily_bars_from_minutes(
    raw_bars: DataFrame, raw_actions: DataFrame, times: DataFrame, as_of: datetime | None = None
) -> DataFrame:
    """DAILY_BARS of vendors' 1m bars of the regular session; source is the vendor's with ``_minutes``.

    Sources that fill holes of a stream have pieces of a session only and give none. Minutes that break a critical rule are
    left out. Minute bars omit the auctions (``no_auction``). vwap is the typical price (high + low + close) / 3 of the minutes,
    weighted by their volume; ``known_at`` the newest of the minutes. ``as_of``: as known at that instant.
    """
    minutes = with_session_times(as_traded_bars(raw_bars, raw_actions, "1m", as_of), times)
    thrice_typical = F.col("high") + F.col("low") + F.col("close")
    sessions = (
        minutes.where((phase(F.col("start_time")) == "regular") & ~F.col("source").isin(*PARTIAL_SOURCES))
        .where(F.col(WITHHELD.name).isNull())
        .withColumn("source", F.concat("source", F.lit("_minutes")))
        .groupBy("trading_day", "symbol", "source", "half_day")
        .agg(
            F.min_by("open", "start_time").alias("open"),
            F.max("high").alias("high"),
            F.min("low").alias("low"),
            F.max_by("close", "start_time").alias("close"),
            weighted_price(thrice_typical, F.col("volume"), times=3).alias("vwap"),
            F.sum("volume").alias("volume"),
            F.min("currency").alias("currency"),
            F.bool_and("final").alias("final"),
            F.max("known_at").alias("known_at"),
        )
        .withColumns(
            {
                "vwap_from": F.when(F.col("vwap").isNotNull(), "minutes"),
                "trade_count": F.lit(None),
                "repeats": F.lit(0),
                "no_auction": F.lit(True),
            }
        )
    )
    return _shaped(sessions)


def daily_bars_from_vendors(
    raw_bars: DataFrame, raw_actions: DataFrame, times: DataFrame, as_of: datetime | None = None
) -> DataFrame:
    """DAILY_BARS of vendors' 1d bars under the vendors' own names, as traded; they give no vwap.

    With ``as_of`` they are as known at that instant, and so are metrics built from them and from ``known_by`` actions.
    """
    bars = with_session_times(as_traded_bars(raw_bars, raw_actions, "1d", as_of), times).withColumns(
        {
            "vwap": F.lit(None),
            "vwap_from": F.lit(None),
            "trade_count": F.lit(None),
            "repeats": F.lit(0),
            "no_auction": F.lit(False),
        }
    )
    return _shaped(bars)


def _shaped(bars: DataFrame) -> DataFrame:
    """Revision 0: the table counts revisions when it is merged."""
    return shaped(bars.withColumns({"year": F.year("trading_day"), "revision": F.lit(0)}), DAILY_BARS)
