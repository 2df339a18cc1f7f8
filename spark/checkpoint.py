"""a plan -> the same rows, computed.

Belongs here: what has to be known to compute rows once and use them several times. Does not belong here: which rows.
"""

from __future__ import annotations

from pyspark.sql import DataFrame


def compute_once(rows: DataFrame) -> DataFrame:
    """The rows, computed now and kept by the server; every use sees the same ones. (A write would recompute a cache.)"""
    computed = rows.localCheckpoint()
    if computed.sparkSession is not rows.sparkSession:
        # With Connect, PySpark 4.0 asks the thread's first session for them, though another one, perhaps of another
        # server, has computed them.
        computed._session = rows.sparkSession
        computed._plan._spark_session = rows.sparkSession  # type: ignore[attr-defined]
    return computed
