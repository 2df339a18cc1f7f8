"""tables of lake and warehouse -> how many rows of which sessions each asset holds.

Belongs here: counting what is there now, whoever put it there. Does not belong here: what runs did (``runs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from stock_assets.domain.finding_tables import FINDING_TABLES
from stock_assets.domain.quality_tables import QUALITY_TABLES
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.settings.platform import Settings


@dataclass(frozen=True)
class Holding:
    """Sessions that have rows, and rows, of one asset."""

    sessions: int
    rows: int


def holdings(settings: Settings) -> dict[str, Holding]:
    """What each asset of the main job holds, in the order of the stages; by the asset's key as text.

    Findings are left out: they follow later.

    Raises:
        ServiceUnavailable: store or warehouse does not answer.
    """
    later = {table.path for table in FINDING_TABLES}
    found = {
        asset: Holding(len(rows), sum(rows.values()))
        for asset, rows in rows_by_session(settings).items()
        if asset not in later
    }
    rejected = Holding(0, sum(_rejected(settings, table) for table in RAW_TABLES.values()))
    last_raw = len(RAW_TABLES)
    ordered = list(found.items())
    return dict([*ordered[:last_raw], ("raw/quarantine", rejected), *ordered[last_raw:]])


def rows_by_session(settings: Settings) -> dict[str, Mapping[date, int]]:
    """Rows of each session that each partitioned asset holds, in the order of the stages; by the asset's key as text.

    Raises:
        ServiceUnavailable: store or warehouse does not answer.
    """
    found: dict[str, Mapping[date, int]] = {table.path: _accepted(settings, table) for table in RAW_TABLES.values()}
    for table in (MINUTE_BARS, DAILY_BARS, *QUALITY_TABLES, DAILY_METRICS, *FINDING_TABLES):
        found[table.path] = _counted(read_sessions(settings.lake_root, table, ["trading_day"])["trading_day"])
    return found | {"warehouse/daily_stock_metrics": _warehouse(settings)}


def _accepted(settings: Settings, table: Table) -> Mapping[date, int]:
    import pyarrow.dataset as ds

    handle = open_table(settings.lake_root, table)
    if handle is None:
        return {}
    accepted = ds.field("rejected_because").is_null()
    return _counted(handle.to_pyarrow_dataset().to_table(columns=["trading_day"], filter=accepted)["trading_day"])


def _rejected(settings: Settings, table: Table) -> int:
    """Records that wait in quarantine."""
    import pyarrow.dataset as ds

    from stock_assets.raw.quarantine import waiting

    handle = open_table(settings.lake_root, table)
    if handle is None:
        return 0
    return sum(rows.num_rows for _, rows in waiting(handle, {"kafka_offset": ds.field("kafka_offset")}))


def _counted(days: Any) -> Mapping[date, int]:
    return {entry["values"]: entry["counts"] for entry in days.value_counts().to_pylist()}


def _warehouse(settings: Settings) -> Mapping[date, int]:
    from stock_assets.warehouse.connect import connect
    from stock_assets.warehouse.set_up import METRICS, set_up

    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        set_up(connection, settings.snowflake)
        cursor.execute(f"SELECT TRADING_DAY, COUNT(*) FROM {METRICS} GROUP BY TRADING_DAY")
        rows = cursor.fetchall()
    return {day: int(count) for day, count in cast("list[tuple[date, int]]", rows)}
