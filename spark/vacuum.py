"""tables that Spark commits -> the same without files that no recent version needs.

Belongs here: asking the one engine that may commit to these tables. Does not belong here: which tables, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark.delta_tables import exists, location
from stock_assets.domain.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LISTING_TASKS = 8


def vacuum(spark: SparkSession, lake_root: str, table: Table, keep_days: int) -> bool:
    """Delete files older than ``keep_days`` that no version since needs; False where there is no such table yet.

    Delta refuses fewer days than 7.
    """
    if not exists(spark, lake_root, table):
        return False
    # by default the folder is listed by 10,000 tasks, which takes a minute whatever there is
    spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", LISTING_TASKS)
    spark.sql(f"VACUUM delta.`{location(lake_root, table)}` RETAIN {keep_days * 24} HOURS").collect()
    return True
