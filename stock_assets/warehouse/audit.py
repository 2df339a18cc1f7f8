"""a load -> LOAD_AUDIT in the warehouse.

Belongs here: who loaded what of which lake, and how many rows each session had before and after.
Does not belong here: the load itself (load.py), whose transaction this is part of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snowflake.connector.cursor import SnowflakeCursor

LOAD_AUDIT = "LOAD_AUDIT"


@dataclass(frozen=True)
class Origin:
    """Where a load comes from.

    Attributes:
        run_id: Dagster's run, empty when none.
        lake_version: Delta version of the table that was read, None when it does not exist yet.
    """

    run_id: str
    lake_version: int | None


def count_per_session(cursor: SnowflakeCursor, target: str, first_day: date, last_day: date) -> dict[date, int]:
    """Rows per session of the range, of sessions that have rows."""
    cursor.execute(
        f"SELECT TRADING_DAY, COUNT(*) FROM {target} WHERE TRADING_DAY BETWEEN %s AND %s GROUP BY TRADING_DAY",
        (first_day.isoformat(), last_day.isoformat()),
    )
    return {row[0]: int(row[1]) for row in cursor.fetchall() if isinstance(row, tuple)}


def record(
    cursor: SnowflakeCursor, target: str, origin: Origin, before: dict[date, int], after: dict[date, int]
) -> None:
    """A row per session that had rows or has some now; within the load's transaction."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (now, origin.run_id, target, origin.lake_version, day.isoformat(), before.get(day, 0), after.get(day, 0))
        for day in sorted(before.keys() | after.keys())
    ]
    if rows:
        cursor.executemany(
            f"INSERT INTO {LOAD_AUDIT} (LOADED_AT, LOADED_BY, RUN_ID, TABLE_NAME, LAKE_VERSION, TRADING_DAY, ROWS_BEFORE, "
            "ROWS_AFTER) VALUES (%s, CURRENT_USER(), %s, %s, %s, %s, %s, %s)",
            rows,
        )
