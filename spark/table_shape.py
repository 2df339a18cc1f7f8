"""computed columns -> exactly the columns of a table.

Belongs here: names, order and types of a stage's output, taken from ``domain.tables``.
Does not belong here: reading and writing (``delta_tables``) and any rule of meaning.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from stock_assets.domain import shares
from stock_assets.domain.table import Table

SPARK_TYPES = {
    "bool": "boolean",
    "int64": "bigint",
    "int32": "int",
    "float64": "double",
    "list<string>": "array<string>",
}
"""What Spark calls the types of ``domain.tables`` that it calls otherwise."""

PRICE = "decimal(18,6)"
"""Type of all stored prices; a cast to it rounds half up."""

SHARES = shares.SHARES
"""Type of all numbers of shares; Spark gives their sum ten digits more."""


def shaped(df: DataFrame, table: Table) -> DataFrame:
    """The columns of ``table`` in its order and types; decimals are rounded half up at 6 places.

    A value that its column cannot hold becomes null: one absurd figure must not keep all other rows from being built.
    """
    return df.select(*(F.col(c.name).try_cast(SPARK_TYPES.get(c.type, c.type)).alias(c.name) for c in table.columns))
