"""SQL, the lake -> its answer.

Belongs here: which of the lake's tables a query finds under their names, and that it can do nothing but read them.
Does not belong here: what readers may see of a table (``opened``), the warehouse's own SQL (``warehouse.connect``), printing.

Two walls, each enough: statements other than SELECT are refused, and the database reaches no file and no network
(``lake.engine``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stock_assets.domain.catalog import READABLE, SHORT_NAMES, table_named
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.universe import Universe
from stock_assets.lake.engine import connect
from stock_assets.reading.opened import declared, opened

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_LISTING = re.compile(r"\bshow\b|\binformation_schema\b|\bduckdb_\w+\(", re.IGNORECASE)

_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")


@contextmanager
def answer_of(query: str, lake_root: str, universe: Universe | None) -> Iterator[DuckDBPyRelation]:
    """The answer of one SELECT (WITH, DESCRIBE, SHOW, EXPLAIN ...) over the lake's tables as they are now; rows come when fetched.

    Raises:
        PermanentError: the query is wrong, is more than one, or does more than read; DuckDB's own words where they tell it.
    """
    import duckdb

    with connect() as connection:
        try:
            told = duckdb.extract_statements(query)
            reads = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
            if len(told) != 1 or told[0].type not in reads:
                raise PermanentError("Write one SELECT: tables can be read here, and nothing else can be done.")
            every = _LISTING.search(query) is not None
            for name in sorted({*READABLE, *SHORT_NAMES}):
                if every or re.search(rf"\b{name}\b", query, re.IGNORECASE):
                    table = READABLE[SHORT_NAMES.get(name, name)]
                    try:
                        rows = opened(lake_root, universe, table)
                    except PermanentError:
                        # a word of the query need not be a table of it; DuckDB says so if it is
                        if every or len(told) > 1 or not _is_table(query, name):
                            continue
                        raise
                    # of this connection alone: a view of the database would be everybody's, another answer's, too
                    connection.register(name, connection.from_arrow(rows).project(declared(table, rows.schema)))
            yield connection.sql(query)
        except duckdb.Error as wrong:
            if missing := _NO_TABLE.search(str(wrong)):
                table_named(missing[1])  # says which there are
            raise PermanentError(str(wrong).strip()) from None


def _is_table(query: str, name: str) -> bool:
    return re.search(rf"\b(from|join|describe|summarize)\s+\"?{name}\b", query, re.IGNORECASE) is not None
