"""What is loaded belongs to where it is loaded: another target, an emptied one and one that was altered are made whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from stock_assets.defs.built_assets import WAREHOUSE_KEY, built_assets
from stock_assets.defs.jobs import build_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake, Warehouse
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.stages import WAREHOUSE
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.lake.staleness import stale_by_stage
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets_tests.unit.test_warehouse_sql import metrics

DAYS = sessions_between(date(2024, 2, 1), date(2024, 3, 28))
LAST = DAYS[-1]


def store(lake: str, symbol: str, days: list[date]) -> None:
    """Rows of the metrics, as Spark leaves them."""
    rows = metrics(
        *({"symbol": symbol, "trading_day": day, "close": Decimal(10 + n)} for n, day in enumerate(days))
    ).append_column("withheld_because", pa.nulls(len(days), pa.string()))
    table = DAILY_METRICS.stored
    write_deltalake(
        f"{lake}/{table.path}", rows.cast(table.arrow_schema()), mode="append", partition_by=list(table.partition_by)
    )


def build(lake: str) -> int:
    """The warehouse's asset as the sensor has it built; how many rows it inserted."""
    settings = Settings.load(LAKE_ROOT=lake, FIRST_SESSION="2024-01-02")
    (asset,) = (
        each
        for each in built_assets(session_partitions(settings.dagster.first_session), settings)
        if WAREHOUSE_KEY in each.keys
    )
    name = WAREHOUSE_KEY.to_python_identifier()
    result = dg.materialize(
        [asset],
        instance=dg.DagsterInstance.ephemeral(),
        resources={"lake": Lake(root=lake), "warehouse": Warehouse()},
        partition_key=str(LAST),
        run_config={"ops": {name: build_config(LAST, LAST)["ops"][name]}},
    )
    (event,) = (each for each in result.get_asset_materialization_events() if each.partition == str(LAST))
    inserted = event.materialization.metadata["inserted"].value
    assert isinstance(inserted, int)
    return inserted


def count() -> int:
    """Rows in the settings' target."""
    with connect(Settings.load().snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM DAILY_STOCK_METRICS")
        (found,) = cursor.fetchall()
        return int(found[0])


def stale(lake: str) -> list[date]:
    return stale_by_stage(lake, Settings.load().snowflake.target)[WAREHOUSE]


@pytest.mark.usefixtures("warehouse")
def test_a_target_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = f"{tmp_path}/lake"
    monkeypatch.setenv("SNOWFLAKE_SCHEMA", "ONE")
    store(lake, "A", DAYS)
    assert stale(lake) == DAYS
    assert build(lake) == len(DAYS) == count()
    assert stale(lake) == []

    monkeypatch.setenv("SNOWFLAKE_SCHEMA", "OTHER")
    assert stale(lake) == DAYS
    store(lake, "B", [LAST])
    assert build(lake) == len(DAYS) + 1 == count()

    monkeypatch.setenv("SNOWFLAKE_SCHEMA", "ONE")
    assert stale(lake) == [LAST]
    assert build(lake) == 1
    monkeypatch.setenv("SNOWFLAKE_SCHEMA", "OTHER")
    assert stale(lake) == []

    february = [day for day in DAYS if day.month == 2]
    with connect(Settings.load().snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM DAILY_STOCK_METRICS WHERE TRADING_DAY < '2024-03-01'")
    assert build(lake) == len(february)
    with connect(Settings.load().snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE DAILY_STOCK_METRICS")
    assert build(lake) == len(DAYS) + 1 == count()
