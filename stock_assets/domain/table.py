"""columns -> the shape of a table.

Belongs here: what a column and a table are, and their schemas for Arrow and Spark.
Does not belong here: which tables there are (``tables`` and its neighbours).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Type = Literal[
    "string", "int64", "int32", "bool", "date", "timestamp", "decimal(18,6)", "decimal(25,6)", "float64", "binary",
    "list<string>"
]  # fmt: skip
"""Column types; ``timestamp`` is microseconds in UTC, and prices and shares are the two decimals."""

_DDL: dict[Type, str] = {
    "string": "STRING",
    "int64": "BIGINT",
    "int32": "INT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "decimal(18,6)": "DECIMAL(18,6)",
    "decimal(25,6)": "DECIMAL(25,6)",
    "float64": "DOUBLE",
    "binary": "BINARY",
    "list<string>": "ARRAY<STRING>",
}


@dataclass(frozen=True)
class Column:
    """One column; ``doc`` gives meaning, unit and zone where they could be doubted."""

    name: str
    type: Type
    doc: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        path: folder below the lake's root.
        key: columns that identify a row.
        partition_by: columns of the physical layout.
        withholds: whether rows that break a critical rule are marked, and kept from readers. ``columns`` are what readers
            see; the table has one more, WITHHELD.
    """

    path: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    withholds: bool = False

    @property
    def stored(self) -> Table:
        """The table as it is stored, with the mark of rows that are withheld."""
        marked = self.withholds and WITHHELD not in self.columns
        return replace(self, columns=(*self.columns, WITHHELD)) if marked else self

    @property
    def name(self) -> str:
        """What the table is called where its folder does not matter."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def ddl(self) -> str:
        """The columns as Spark DDL."""
        return ", ".join(f"{c.name} {_DDL[c.type]}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)

    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        import pyarrow as pa

        types: dict[Type, pa.DataType] = {
            "string": pa.string(),
            "int64": pa.int64(),
            "int32": pa.int32(),
            "bool": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "decimal(18,6)": pa.decimal128(18, 6),
            "decimal(25,6)": pa.decimal128(25, 6),
            "float64": pa.float64(),
            "binary": pa.binary(),
            "list<string>": pa.list_(pa.string()),
        }
        return pa.schema([pa.field(c.name, types[c.type], nullable=c.nullable) for c in self.columns])


WITHHELD = Column("withheld_because", "string", "the critical rules that the row breaks; null when none", nullable=True)
