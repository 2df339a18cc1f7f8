"""numbered SQL files -> the tables and views of the database for BI tools.

Belongs here: applying what is missing, once, and refusing a database that does not fit.
Does not belong here: the SQL (``migrations``), rows (``load``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError

if TYPE_CHECKING:
    import psycopg

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x73746F636B  # any number that all releases agree on
BOOK = """
CREATE SCHEMA IF NOT EXISTS serving;
CREATE TABLE IF NOT EXISTS serving.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One file: ``0001_tables.sql`` has number 1 and name ``tables``."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All that this release has, ascending."""
    found = []
    for file in sorted(FOLDER.glob("*.sql")):
        number, _, name = file.stem.partition("_")
        found.append(Migration(int(number), name, file.read_text()))
    return tuple(found)


def migrate(connection: psycopg.Connection, wanted: tuple[Migration, ...] | None = None) -> list[str]:
    """Apply what is missing, all of it in one transaction; returns the names of what was applied.

    Args:
        wanted: this release's migrations when None.

    Raises:
        PermanentError: the database is of a later release, or a migration was changed after it was applied.
    """
    wanted = migrations() if wanted is None else wanted
    if not _missing(connection, wanted):
        return []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(BOOK)
        missing = _missing(connection, wanted)  # somebody else may have been quicker
        for each in missing:
            connection.execute(each.sql.encode())
            connection.execute(
                "INSERT INTO serving.migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (each.number, each.name, each.checksum),
            )
    return [each.name for each in missing]


def _missing(connection: psycopg.Connection, wanted: tuple[Migration, ...]) -> list[Migration]:
    if connection.execute("SELECT to_regclass('serving.migrations')").fetchone() == (None,):
        return list(wanted)
    applied: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM serving.migrations").fetchall())
    known = {each.number: each for each in wanted}
    if later := sorted(applied.keys() - known.keys()):
        raise PermanentError(
            f"The serving database has migration {later[-1]}, which this release does not know: it was made by a later one. "
            "Nothing was changed; use that release."
        )
    for number, checksum in sorted(applied.items()):
        if known[number].checksum != checksum:
            raise PermanentError(
                f"Migration {number:04} ({known[number].name}) was changed after the serving database was made with it. "
                "Nothing was changed; add a new migration instead, or delete the database: a load fills it again."
            )
    return [each for each in wanted if each.number not in applied]
