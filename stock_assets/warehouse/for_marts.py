"""lake, calendar, universe -> the tables that marts need beside the metrics, in the warehouse.

Belongs here: which tables these are, what of the lake each of their sessions stands for, and loading what differs.
Does not belong here: how rows are loaded (load.py), and what the target says of itself (audit.py).

What has to be loaded follows from the lake and the target alone: another, emptied or restored target is made whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.service_level import Milestones, minutes_to_complete, promised_since, service_level
from stock_assets.domain.sessions import calendar, session, sessions_between
from stock_assets.domain.splits import Stated, actions_that_count
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.domain.universe import Universe
from stock_assets.domain.warehouse_tables import HOURLY_BARS, SESSION_COMPLETION, STOCK_ACTIONS, TRADING_CALENDAR
from stock_assets.lake.as_of import actions_as_of
from stock_assets.lake.built import built_from
from stock_assets.lake.fingerprints import Fingerprints
from stock_assets.lake.milestones import read_milestones
from stock_assets.lake.stocks import learn_shipped, listed, stocks
from stock_assets.lake.tables import read_sessions
from stock_assets.warehouse import audit
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.hourly_bars import hourly_bars
from stock_assets.warehouse.load import load_range, load_whole
from stock_assets.warehouse.set_up import (
    ACTIONS,
    AVAILABLE,
    CALENDAR,
    COMPLETION,
    HOURS,
    METRICS,
    STOCK_LIST,
    table_names,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector import SnowflakeConnection

ANY_VENDOR = "any"
SESSIONS_AT_ONCE = 20
"""Sessions of one load: minutes of more would take memory for nothing."""


@dataclass(frozen=True)
class Loaded:
    """A table of the warehouse that is filled per session.

    Attributes:
        name: in the warehouse.
        now: what of the lake each session stands for.
        rows: its rows of the sessions between two days.
    """

    name: str
    table: Table
    now: Fingerprints
    rows: Callable[[date, date], pa.Table]


def load_for_marts(
    connection: SnowflakeConnection,
    lake_root: str,
    universe: Universe | None,
    bar_sources: tuple[str, ...],
    first_session: date,
    origin: Origin,
) -> dict[str, int]:
    """Load what differs; returns the rows inserted, updated and deleted per table."""
    stocks_listed = listed(lake_root, universe)
    learn_shipped(lake_root, stocks_listed)
    whole = {
        CALENDAR: (TRADING_CALENDAR, calendar_rows(first_session)),
        STOCK_LIST: (STOCKS, stocks(lake_root, stocks_listed)),
        ACTIONS: (STOCK_ACTIONS, action_rows(lake_root)),
        COMPLETION: (SESSION_COMPLETION, completion_rows(lake_root, first_session, datetime.now(UTC))),
    }
    changed = {}
    for name, (table, rows) in whole.items():
        changed[name] = _load_whole(connection, name, table, rows, origin)
    for loaded in per_session(lake_root, bar_sources):
        changed[loaded.name] = _load_sessions(connection, loaded, origin)
    return changed


def per_session(lake_root: str, bar_sources: tuple[str, ...]) -> list[Loaded]:
    """The tables that are filled per session."""
    return [
        Loaded(
            AVAILABLE,
            AVAILABILITY,
            built_from(lake_root, AVAILABILITY.path),
            lambda first, last: read_sessions(lake_root, AVAILABILITY, list(AVAILABILITY.names), first, last),
        ),
        Loaded(
            HOURS,
            HOURLY_BARS,
            built_from(lake_root, MINUTE_BARS.path),
            lambda first, last: hourly_bars(lake_root, bar_sources, first, last),
        ),
    ]


def calendar_rows(first_session: date) -> pa.Table:
    """TRADING_CALENDAR from the last session before ``first_session`` to the calendar's end."""
    import pyarrow as pa

    known = calendar()
    days = sessions_between(max(known.first, first_session - timedelta(days=10)), known.last)
    found = [session(day) for day in days]
    rows = [
        {"trading_day": s.day, "open_time": s.open_time, "close_time": s.close_time, "half_day": s.half_day}
        for s in found
    ]
    return pa.Table.from_pylist(rows, schema=TRADING_CALENDAR.arrow_schema())


def action_rows(lake_root: str) -> pa.Table:
    """STOCK_ACTIONS: per symbol the actions that count for each vendor that states any, and for any other one."""
    import pyarrow as pa

    stated = actions_as_of(lake_root).sort_by("symbol").to_pylist()
    rows = []
    for symbol, group in groupby(stated, key=lambda row: row["symbol"]):
        said = [Stated(*(row[name] for name in Stated._fields)) for row in group]
        for vendor in (*sorted({each.source for each in said}), ANY_VENDOR):
            for each in actions_that_count(said, vendor):
                said_of = {"symbol": symbol, "vendor": vendor, "ex_date": each.ex_date}
                rows.append(said_of | {"kind": each.kind, "value": each.value})
    return pa.Table.from_pylist(rows, schema=STOCK_ACTIONS.arrow_schema())


def completion_rows(lake_root: str, first_session: date, now: datetime) -> pa.Table:
    """SESSION_COMPLETION of the sessions from ``first_session`` that have closed by ``now``."""
    import pyarrow as pa

    milestones = read_milestones(lake_root)
    since = promised_since(milestones, lambda day: session(day).close_time)
    rows = []
    for day in sessions_between(first_session, now.date()):
        close = session(day).close_time
        if close <= now:
            seen = milestones.get(day, Milestones())
            rows.append(
                {
                    "trading_day": day,
                    "close_time": close,
                    "first_complete_at": seen.complete_at,
                    "minutes_to_complete": minutes_to_complete(close, seen),
                    "verdict": service_level(day, close, seen, now, since),
                }
            )
    return pa.Table.from_pylist(rows, schema=SESSION_COMPLETION.arrow_schema())


def _load_whole(connection: SnowflakeConnection, name: str, table: Table, rows: pa.Table, origin: Origin) -> int:
    ordered = rows.sort_by([(column, "ascending") for column in table.key])
    said = hashlib.sha256(repr(ordered.to_pylist()).encode()).hexdigest()[:32]
    with connection.cursor() as cursor:
        if not audit.due(cursor, name, {audit.WHOLE: said}, whole=True):
            return 0
    report = load_whole(connection, ordered, table, origin, target=name, fingerprint=said)
    return report.inserted + report.updated + report.deleted


def _load_sessions(connection: SnowflakeConnection, loaded: Loaded, origin: Origin) -> int:
    with connection.cursor() as cursor:
        days = audit.due(cursor, loaded.name, loaded.now, whole=False)
    changed = 0
    for start in range(0, len(days), SESSIONS_AT_ONCE):
        some = days[start : start + SESSIONS_AT_ONCE]
        rows = loaded.rows(some[0], some[-1])
        # the days between them, too: their rows are read anyway, and a range is one load
        said = {day: print_ for day, print_ in loaded.now.items() if some[0] <= day <= some[-1]}
        said |= {day: audit.ABSENT for day in some if day not in loaded.now}
        report = load_range(
            connection, rows, loaded.table, some[0], some[-1], origin, target=loaded.name, fingerprints=said
        )
        changed += report.inserted + report.updated + report.deleted
    return changed


def count_sessions_to_rebuild(connection: SnowflakeConnection) -> int:
    """Sessions of which the facts are not what LOAD_AUDIT says was loaded last; all of them before the first build."""
    with connection.cursor() as cursor:
        tables = table_names(cursor)
        if not {METRICS, audit.LOAD_AUDIT} <= tables:
            return 0
        held = "SELECT TRADING_DAY, MAX(LOADED_AT_UTC) AS AT FROM FACT_STOCK_DAILY GROUP BY TRADING_DAY"
        if "FACT_STOCK_DAILY" not in tables:
            held = "SELECT CAST(NULL AS DATE) AS TRADING_DAY, CAST(NULL AS TIMESTAMP_NTZ) AS AT WHERE 1 = 0"
        cursor.execute(
            f"SELECT COUNT(*) FROM ({held}) HELD FULL OUTER JOIN (SELECT TRADING_DAY, MAX(LOADED_AT) AS AT "
            f"FROM {audit.LOAD_AUDIT} WHERE TABLE_NAME = '{METRICS}' AND TRADING_DAY IN (SELECT TRADING_DAY FROM {METRICS}) "
            "GROUP BY TRADING_DAY) LOADED ON HELD.TRADING_DAY = LOADED.TRADING_DAY WHERE HELD.AT IS DISTINCT FROM LOADED.AT"
        )
        row = cursor.fetchone()
        return int(row[0]) if isinstance(row, tuple) else 0
