"""a year of a derived table -> the same rows in one file, by symbol.

Belongs here: rewriting what Spark owns, without changing a row. Does not belong here: which years need it (``lake.order``), when.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark.delta_tables import location, read_stored
from stock_assets.domain.table import Table


def sort_year(spark: SparkSession, lake_root: str, table: Table, year: int) -> None:
    """Rewrite a year in one commit that readers of changes pass over: what is read of one symbol then lies together.

    Args:
        table: partitioned by year.
    """
    rows = read_stored(spark, lake_root, table).where(f"year = {year}")
    ordered = rows.coalesce(1).sortWithinPartitions("symbol", "trading_day")
    writer = ordered.write.format("delta").mode("overwrite").option("replaceWhere", f"year = {year}")
    writer.option("dataChange", "false").save(location(lake_root, table))
