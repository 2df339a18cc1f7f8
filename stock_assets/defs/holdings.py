"""tables of lake and warehouse -> how many sessions and rows each asset holds.

Belongs here: counting what is there now, whoever put it there. Does not belong here: what runs did (``runs``).
"""

from __future__ import annotations

from dataclasses import dataclass

from stock_assets.domain.quality_tables import QUALITY_TABLES
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.settings.platform import Settings


@dataclass(frozen=True)
class Holding:
    """Sessions that have rows, and rows, of one asset."""

    sessions: int
    rows: int


def holdings(settings: Settings) -> dict[str, Holding]:
    """What each asset holds, in the order of the stages; by the asset's key as text.

    Raises:
        ServiceUnavailable: store or warehouse does not answer.
    """
    rejected = 0
    found: dict[str, Holding] = {}
    for table in RAW_TABLES.values():
        held, refused = _raw(settings, table)
        rejected += refused
        found[table.path] = held
    found["raw/quarantine"] = Holding(0, rejected)
    for table in (MINUTE_BARS, DAILY_BARS, *QUALITY_TABLES, DAILY_METRICS):
        found[table.path] = _built(settings, table)
    return found | {"warehouse/daily_stock_metrics": _warehouse(settings)}


def _raw(settings: Settings, table: Table) -> tuple[Holding, int]:
    """Accepted rows; and how many records wait in quarantine."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    from stock_assets.lake.tables import open_table
    from stock_assets.raw.quarantine import waiting

    handle = open_table(settings.lake_root, table)
    if handle is None:
        return Holding(0, 0), 0
    accepted = ds.field("rejected_because").is_null()
    days = handle.to_pyarrow_dataset().to_table(columns=["trading_day"], filter=accepted)["trading_day"]
    refused = sum(rows.num_rows for _, rows in waiting(handle, {"kafka_offset": ds.field("kafka_offset")}))
    return Holding(pc.count_distinct(days).as_py(), len(days)), refused


def _built(settings: Settings, table: Table) -> Holding:
    import pyarrow.compute as pc

    from stock_assets.lake.tables import read_sessions

    days = read_sessions(settings.lake_root, table, ["trading_day"])["trading_day"]
    return Holding(pc.count_distinct(days).as_py(), len(days))


def _warehouse(settings: Settings) -> Holding:
    from stock_assets.warehouse.connect import connect
    from stock_assets.warehouse.set_up import METRICS, set_up

    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        set_up(connection, settings.snowflake)
        cursor.execute(f"SELECT COUNT(DISTINCT TRADING_DAY), COUNT(*) FROM {METRICS}")
        row = cursor.fetchone()
    assert isinstance(row, tuple)
    return Holding(int(row[0]), int(row[1]))
