"""computed columns -> exactly the columns of a table.

Belongs here: names, order and types of a stage's output, taken from ``domain.tables``.
Does not belong here: reading and writing (``delta_tables``) and any rule of meaning.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from stock_assets.domain.tables import Table

_SPARK_TYPES = {
    "bool": "boolean",
    "int64": "bigint",
    "int32": "int",
    "float64": "double",
    "list<string>": "array<string>",
}

PRICE = "decimal(18,6)"
"""Type of all stored prices; a cast to it rounds half up."""

SHARES = "decimal(20,0)"
"""Type in which shares are added up: Spark gives the sum ten digits more, and that of whole numbers none."""


def shaped(df: DataFrame, table: Table) -> DataFrame:
    """The columns of ``table`` in its order and types; decimals are rounded half up at 6 places.

    A value that its column cannot hold becomes null: one absurd figure must not keep all other rows from being built.
    """
    return df.select(*(F.col(c.name).try_cast(_SPARK_TYPES.get(c.type, c.type)).alias(c.name) for c in table.columns))
