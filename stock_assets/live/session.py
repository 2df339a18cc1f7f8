"""spark-submit's configuration -> the stream's session.

Belongs here: what the stream needs of its session beside what every stage does. Does not belong here: memory, jars and addresses,
which are the command's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def stream_session() -> SparkSession:
    """A classic session of this process's own driver, for few rows at a time."""
    from pyspark.sql import SparkSession

    from spark.small_builds import fit_for_small_builds

    session = fit_for_small_builds(SparkSession.builder.appName("stock-assets stream").getOrCreate())
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session
