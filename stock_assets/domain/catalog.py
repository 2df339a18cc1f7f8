"""declarations of tables -> the names under which readers ask for them.

Belongs here: which tables can be asked for, and by which name: the last part of the path, with no list beside the declarations.
Does not belong here: the tables' shapes (``tables`` and its neighbours), opening them (``lake``, ``reading``).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.finding_tables import FINDING_TABLES
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS
from stock_assets.domain.quality_tables import EXPECTATIONS, QUALITY_TABLES
from stock_assets.domain.state_tables import MILESTONES
from stock_assets.domain.stocks import RENAMES, STOCKS
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import DAILY_METRICS, DERIVED_TABLES, RAW_TABLES

_RAW_NAMES = ("topic_id", "kafka_partition", "kafka_offset", "kafka_time", "landing_id", "rejected_because", "payload")

QUARANTINE = Table(
    path="raw/quarantine",
    columns=(
        Column("stage", "string", "raw table that the record was meant for"),
        *(column for column in RAW_TABLES["ticks"].columns if column.name in _RAW_NAMES),
    ),
    key=("topic_id", "kafka_partition", "kafka_offset"),
    partition_by=(),
)
"""The part of the raw tables that was rejected and waits; no table of its own."""

READABLE: Mapping[str, Table] = {
    table.name: table
    for table in (
        *RAW_TABLES.values(),
        QUARANTINE,
        *DERIVED_TABLES,
        INTRADAY_WINDOWS,
        LATE_TICKS,
        *QUALITY_TABLES,
        *FINDING_TABLES,
        EXPECTATIONS,
        MILESTONES,
        RENAMES,
        STOCKS,
    )
}
"""Every table that can be asked for, by its name."""

SHORT_NAMES: Mapping[str, str] = {"metrics": DAILY_METRICS.name}


def table_named(name: str) -> Table:
    """The table of a name, or of a short one.

    Raises:
        PermanentError: there is none; the text names those that there are.
    """
    wanted = name.strip().lower()
    found = READABLE.get(SHORT_NAMES.get(wanted, wanted))
    if found is None:
        near = get_close_matches(wanted, READABLE, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise PermanentError(f"There is no table {name!r}.{hint} The tables are {', '.join(READABLE)}.")
    return found


def made_by(table: Table) -> str:
    """What fills a table that does not exist yet, as the end of a sentence."""
    if table in RAW_TABLES.values() or table is QUARANTINE:
        return "a landing makes it: publish something, then `stock-assets land`"
    if table in FINDING_TABLES:
        return "the job `findings` makes it, after a build: `stock-assets up`, or materialize it in Dagster"
    if table.path.startswith("live/"):
        return "the service `stream` makes it once ticks come in: `stock-assets up stream`"
    if table is RENAMES:
        return "a load of the warehouse's tables makes it: `stock-assets marts`"
    return "a build makes it: `stock-assets up`, or materialize it in Dagster"
