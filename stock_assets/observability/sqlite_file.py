"""a file of SQLite -> its one writer's transactions, and rows for any number of readers.

Belongs here: how such a file is opened. Does not belong here: what is in it (``kept``, ``alerting.store``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stock_assets.domain.errors import ServiceUnavailable


@contextmanager
def transaction(file: Path) -> Iterator[sqlite3.Connection]:
    """All that is written within is stored at its end, or nothing of it is."""
    with closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        yield connection


def rows_of(file: Path, held: str, query: str, *given: Any) -> list[Any]:
    """The answer of a query; no rows without a file.

    Args:
        held: what the file holds, as the beginning of a sentence.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query, given).fetchall()
    except sqlite3.Error as broken:
        raise ServiceUnavailable(f"{held} in {file} cannot be read: {broken}.") from None
