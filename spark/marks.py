"""table from before rows were marked -> the same table with marks.

Belongs here: the one change of a stored table that marks need.
Does not belong here: the verdicts (``verdicts``), and what is written afterwards (``delta_tables``).
"""

from __future__ import annotations

from uuid import uuid4

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark.verdicts import withheld_because
from stock_assets.domain.table import WITHHELD, Table


def add_marks(spark: SparkSession, stored: str, table: Table) -> None:
    """Add the column and the marks in one commit: no reader finds the column without them."""
    rows = spark.read.format("delta").load(stored)
    marked = rows.withColumn(WITHHELD.name, withheld_because(table)).where(f"{WITHHELD.name} IS NOT NULL")
    if marked.isEmpty():
        spark.sql(f"ALTER TABLE delta.`{stored}` ADD COLUMNS ({WITHHELD.name} STRING)")
        return
    if "revision" in table.names:
        marked = marked.withColumn("revision", F.lit(rows.agg(F.max("revision")).collect()[0][0]) + 1)
    view = f"marked_{uuid4().hex}"
    marked.createOrReplaceTempView(view)
    try:
        spark.sql(
            f"MERGE WITH SCHEMA EVOLUTION INTO delta.`{stored}` t USING {view} m ON {same_row(table, 't', 'm')} "
            "WHEN MATCHED THEN UPDATE SET *"
        )
    finally:
        spark.catalog.dropTempView(view)


def same_row(table: Table, left: str, right: str) -> str:
    """The condition that two rows, by their aliases, have one key; with the columns of the layout, which prune files."""
    names = dict.fromkeys((*table.partition_by, *table.key))
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in names)
