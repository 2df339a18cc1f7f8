"""a load -> LOAD_AUDIT in the warehouse.

Belongs here: who loaded what of which lake, and how many rows each session had before and after.
Does not belong here: the load itself (load.py), whose transaction this is part of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from stock_assets.warehouse.set_up import table_names

if TYPE_CHECKING:
    from snowflake.connector.cursor import SnowflakeCursor

ABSENT = "absent"
"""Fingerprint of a session that the lake has no rows of any more."""
LOAD_AUDIT = "LOAD_AUDIT"
WHOLE = date(1900, 1, 1)
"""The day under which the load of a table is recorded that is always loaded whole."""


@dataclass(frozen=True)
class Origin:
    """Where a load comes from.

    Attributes:
        run_id: Dagster's run, empty when none.
        lake_version: Delta version of the table that was read, None when it does not exist yet.
    """

    run_id: str
    lake_version: int | None


@dataclass(frozen=True)
class Scope:
    """What of a table a load makes equal to its rows: the sessions from ``first`` to ``last``, some of them, or everything.

    Attributes:
        days: the sessions where not all from ``first`` to ``last`` are meant.
    """

    first: date = date.min
    last: date = date.max
    days: tuple[date, ...] = ()

    @property
    def whole(self) -> bool:
        return (self.first, self.last) == (date.min, date.max)

    @property
    def sql(self) -> str:
        """The condition that chooses its rows, and what its placeholders stand for in ``arguments``."""
        if self.days:
            return f"TRADING_DAY IN ({', '.join(['%s'] * len(self.days))})"
        return "1 = 1" if self.whole else "TRADING_DAY BETWEEN %s AND %s"

    @property
    def arguments(self) -> list[str]:
        if self.days:
            return [day.isoformat() for day in self.days]
        return [] if self.whole else [self.first.isoformat(), self.last.isoformat()]


def count_per_session(cursor: SnowflakeCursor, target: str, scope: Scope) -> dict[date, int]:
    """Rows per session of the scope, of sessions that have rows; of a whole table all rows, under WHOLE."""
    if scope.whole:
        cursor.execute(f"SELECT COUNT(*) FROM {target}")
        (counted,) = cursor.fetchall()
        return {WHOLE: int(counted[0])}
    cursor.execute(
        f"SELECT TRADING_DAY, COUNT(*) FROM {target} WHERE {scope.sql} GROUP BY TRADING_DAY", scope.arguments
    )
    return {row[0]: int(row[1]) for row in cursor.fetchall() if isinstance(row, tuple)}


def record(
    cursor: SnowflakeCursor,
    target: str,
    origin: Origin,
    before: dict[date, int],
    after: dict[date, int],
    fingerprints: Mapping[date, str],
) -> None:
    """A row per session that had rows, has some now or has a fingerprint; within the load's transaction."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (
            now, origin.run_id, target, origin.lake_version, day.isoformat(), before.get(day, 0), after.get(day, 0),
            fingerprints.get(day),
        )
        for day in sorted(before.keys() | after.keys() | fingerprints.keys())
    ]  # fmt: skip
    if rows:
        cursor.executemany(
            f"INSERT INTO {LOAD_AUDIT} (LOADED_AT, LOADED_BY, RUN_ID, TABLE_NAME, LAKE_VERSION, TRADING_DAY, ROWS_BEFORE, "
            "ROWS_AFTER, FINGERPRINT) VALUES (%s, CURRENT_USER(), %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def count_loaded_since(cursor: SnowflakeCursor, instant: datetime) -> int:
    """Sessions of any table that were loaded after an instant (UTC); 0 before the first load."""
    if LOAD_AUDIT not in table_names(cursor):
        return 0
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    cursor.execute(f"SELECT COUNT(DISTINCT TRADING_DAY) FROM {LOAD_AUDIT} WHERE LOADED_AT > %s", (utc,))
    row = cursor.fetchone()
    return int(row[0]) if isinstance(row, tuple) else 0


def due(cursor: SnowflakeCursor, target: str, fingerprints: Mapping[date, str], *, whole: bool) -> list[date]:
    """The days whose rows in ``target`` are not what ``fingerprints`` stand for, by what the target says of itself, ascending.

    That is: what its last load recorded, and whether the rows of that load are still there.
    """
    cursor.execute(
        f"SELECT TRADING_DAY, FINGERPRINT, ROWS_AFTER FROM {LOAD_AUDIT} WHERE TABLE_NAME = %s "
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY TRADING_DAY ORDER BY LOADED_AT DESC) = 1",
        (target,),
    )
    said = {row[0]: (row[1], int(row[2])) for row in cursor.fetchall() if isinstance(row, tuple)}
    if whole:
        counted = count_per_session(cursor, target, Scope())
    else:
        cursor.execute(f"SELECT TRADING_DAY, COUNT(*) FROM {target} GROUP BY TRADING_DAY")
        counted = {row[0]: int(row[1]) for row in cursor.fetchall() if isinstance(row, tuple)}
    return sorted(
        day
        for day in {*fingerprints, *said, *counted}
        if (fingerprints.get(day, ABSENT), counted.get(day, 0)) != said.get(day, (ABSENT, 0))
    )
