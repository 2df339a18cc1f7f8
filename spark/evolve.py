"""table as an earlier release wrote it -> the same rows in the columns of its definition.

Belongs here: changing the tables that Spark writes, and reading any as if that were done.
Does not belong here: which changes there are (``domain.evolution``), the lake's and the warehouse's own tables.
"""

from __future__ import annotations

import logging

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark.table_shape import SPARK_TYPES
from stock_assets.domain.evolution import evolution
from stock_assets.domain.table import Table

_NAMES = {spark: ours for ours, spark in SPARK_TYPES.items()}
_log = logging.getLogger(__name__)


def conformed(rows: DataFrame, table: Table) -> DataFrame:
    """The rows of the stored table in the columns of ``table``; those that it lacks are null."""
    stored = _columns(rows)
    if stored == {column.name: column.type for column in table.columns}:
        return rows
    return rows.select(
        *(
            (F.col(c.name) if c.name in stored else F.lit(None)).cast(SPARK_TYPES.get(c.type, c.type)).alias(c.name)
            for c in table.columns
        )
    )


def evolve(rows: DataFrame, place: str, table: Table) -> bool:
    """Give the table at ``place``, of which these are all rows, the columns of ``table``; whether it lacked any.

    Columns are added in the log alone; widening is one overwrite, which keeps the table's properties.

    Raises:
        TableDiffers: the stored table differs in something else.
    """
    change = evolution(table, _columns(rows), place)
    if change.widened:
        wider = conformed(rows, table).write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        wider.partitionBy(*table.partition_by).save(place)
    elif change.added:
        added = ", ".join(f"{column.name} {SPARK_TYPES.get(column.type, column.type)}" for column in change.added)
        rows.sparkSession.sql(f"ALTER TABLE delta.`{place}` ADD COLUMNS ({added})")
    if change:
        _log.info("%s has %s now", table.path, change)
    return bool(change)


def _columns(rows: DataFrame) -> dict[str, str]:
    """Columns and types, in the words of ``domain.tables``."""
    return {name: _NAMES.get(kind, kind) for name, kind in rows.dtypes}
