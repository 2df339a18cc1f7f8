"""calendar of the exchange -> its sessions' times as a small DataFrame.

Belongs here: the bridge from ``domain.sessions`` to expressions about instants in Spark.
Does not belong here: rules of trades (``ticks``) and of bars.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, sessions_between
from stock_assets.domain.sessions import session as session_of

_SCHEMA = (
    "trading_day DATE, pre_open_time TIMESTAMP, open_time TIMESTAMP, close_time TIMESTAMP, post_close_time TIMESTAMP, "
    "half_day BOOLEAN"
)


def session_times(spark: SparkSession, first: date, last: date) -> DataFrame:
    """One row per session from ``first`` to ``last``: its day, its UTC times, whether it is a half day."""
    sessions = map(session_of, sessions_between(first, last))
    rows = [(s.day, s.pre_open_time, s.open_time, s.close_time, s.post_close_time, s.half_day) for s in sessions]
    return spark.createDataFrame(rows, _SCHEMA)


def with_session_times(df: DataFrame, times: DataFrame) -> DataFrame:
    """``df`` with the times of the session of its ``trading_day``; rows of days without a session are left out."""
    return df.join(F.broadcast(times), "trading_day")


def phase(instant: Column) -> Column:
    """The phase of ``instant`` by the clock, one of ``sessions.PHASES``; needs ``with_session_times``."""
    return (
        F.when((instant < F.col("pre_open_time")) | (instant >= F.col("post_close_time")), "overnight")
        .when(instant < F.col("open_time"), "pre")
        .when(instant < F.col("close_time"), "regular")
        .otherwise("post")
    )


def within_closing_grace(instant: Column) -> Column:
    """Whether a closing print at ``instant`` still belongs to the regular session; needs ``with_session_times``."""
    grace = F.expr(f"INTERVAL {CLOSING_PRINT_GRACE // timedelta(seconds=1)} SECONDS")
    return (instant >= F.col("open_time")) & (instant < F.col("close_time") + grace)
