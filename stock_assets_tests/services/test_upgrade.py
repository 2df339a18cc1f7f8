"""A lake and a warehouse that commit 998730c filled: today's code makes them its own, and loses no row of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable

from stock_assets.definitions import build_definitions
from stock_assets.defs.resources import Lake
from stock_assets.domain.quality_tables import AVAILABILITY, EXPECTATIONS, RECONCILIATION
from stock_assets.domain.table import WITHHELD, Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake.transactions import offsets_of
from stock_assets.local.services import Services
from stock_assets.quality.judging import Judging
from stock_assets.quality.state import stale_stages
from stock_assets.raw.completeness import prove
from stock_assets.raw.redrive import redrive
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TOPICS
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.verify import differences, read_sessions_of_warehouse
from stock_assets_tests.upgrade.archive import ARCHIVE, unpack

FIRST_SESSION = "2013-09-03"
BUILT = {"known_at", "revision", "bars_revision"}
"""Columns that may tell that a row was built anew."""


@pytest.fixture
def old(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a copy, its services running."""
    monkeypatch.setenv("FIRST_SESSION", FIRST_SESSION)
    settings = Settings.load()
    assert unpack(settings.local_dir) == settings.lake_root
    services = Services(settings, print)
    try:
        services.up(["spark", "warehouse"])
        yield settings
    finally:
        services.down()


def test_an_older_lake_and_warehouse_become_today_s_without_help_and_lose_no_row(old: Settings) -> None:
    assert ARCHIVE.stat().st_size < 3_000_000
    lake = old.lake_root
    raw, offsets = {stage: rows(lake, table.path) for stage, table in RAW_TABLES.items()}, next_offsets(lake)
    derived = {table.path: rows(lake, table.path) for table in (MINUTE_BARS, DAILY_BARS, DAILY_METRICS)}
    judged, reconciled = rows(lake, "quality/condition"), rows(lake, RECONCILIATION.path)
    assert sum(found.total() for found in raw.values()) > 1000 and offsets and judged and reconciled

    assert not DeltaTable.is_deltatable(f"{lake}/{EXPECTATIONS.path}")  # it came later

    told = converge(old)

    found = DeltaTable(f"{lake}/{EXPECTATIONS.path}").to_pyarrow_table()
    assert found.schema.names == list(EXPECTATIONS.names) and all(found["passed"].to_pylist())
    checked = {(row["checked_table"], row["trading_day"]) for row in found.to_pylist()}
    assert checked >= {
        (table.path, day) for table in (MINUTE_BARS, DAILY_BARS, DAILY_METRICS) for day in days_of(lake, table)
    }
    assert {stage: rows(lake, table.path) for stage, table in RAW_TABLES.items()} == raw
    assert next_offsets(lake) == offsets
    assert all(proof.holds for topic in TOPICS.values() for proof in prove(lake, topic))
    assert {path: rows(lake, path) for path in derived} == derived
    assert (rows(lake, AVAILABILITY.path), rows(lake, RECONCILIATION.path)) == (judged, reconciled)
    assert sum("quality/condition is called quality/availability now" in line for line in told) == 1
    for table in (*RAW_TABLES.values(), MINUTE_BARS, DAILY_BARS, DAILY_METRICS, RECONCILIATION):
        stored = {field.name: str(field.type) for field in DeltaTable(f"{lake}/{table.path}").schema().fields}
        shares = {column.name for column in table.columns if column.type == "decimal(25,6)"}
        assert all(stored[name] == 'PrimitiveType("decimal(25,6)")' for name in shares), table.path
    same_in_warehouse(old)

    # What was refused for a fraction of a share is accepted, and its sessions are built of it.
    accepted = sum(done.accepted for topic in TOPICS.values() for done in redrive(lake, topic))
    assert accepted == 2 * 2 * 2 + 2
    converge(old)
    assert all(proof.holds for topic in TOPICS.values() for proof in prove(lake, topic))
    same_in_warehouse(old)


def converge(settings: Settings) -> list[str]:
    """Run what the sensor asks for, look again and find nothing stale; what the runs logged."""
    defs = build_definitions(settings)
    (sensor,) = (each for each in defs.sensors or [] if each.name == "staleness_sensor")
    job = defs.resolve_job_def("build")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance, resources={"lake": Lake(root=settings.lake_root)})
        (request,) = sensor(context).run_requests
        done = job.execute_in_process(
            run_config=request.run_config, partition_key=request.partition_key, tags=request.tags, instance=instance
        )
        assert done.success
        told = [entry.user_message for entry in instance.all_logs(done.run_id)]
    stale = stale_stages(settings.lake_root, settings.snowflake.target, Judging.of(settings))
    assert not any(stale.values()), stale
    return told


def rows(lake: str, path: str) -> Counter[str]:
    """The rows of a table as a multiset of texts; equal numbers are equal texts."""
    stored = DeltaTable(f"{lake}/{path}").to_pyarrow_table()
    names = ["availability" if name == "condition" else name for name in stored.column_names]
    if WITHHELD.name in names:
        assert stored[WITHHELD.name].null_count == stored.num_rows  # the old rows break no rule
        stored, names = stored.drop_columns([WITHHELD.name]), [name for name in names if name != WITHHELD.name]
    found = stored.rename_columns(names).to_pylist()
    return Counter(" ".join(f"{name}={plain(row[name])}" for name in sorted(row) if name not in BUILT) for row in found)


def plain(value: Any) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if type(value).__name__ == "Decimal" and "." in text else text


def days_of(lake: str, table: Table) -> set[date]:
    return {*DeltaTable(f"{lake}/{table.path}").to_pyarrow_table(columns=["trading_day"])["trading_day"].to_pylist()}


def next_offsets(lake: str) -> dict[tuple[str, str, int], int]:
    found = {}
    for stage, table in RAW_TABLES.items():
        handle = DeltaTable(f"{lake}/{table.path}")
        keys = handle.to_pyarrow_table(columns=["topic_id", "kafka_partition"]).group_by(
            ["topic_id", "kafka_partition"]
        )
        for row in keys.aggregate([]).to_pylist():
            topic_id, partition = row["topic_id"], row["kafka_partition"]
            version = handle.transaction_version(offsets_of(topic_id, partition))
            assert version is not None
            found[stage, topic_id, partition] = version
    return found


def same_in_warehouse(settings: Settings, table: Table = DAILY_METRICS) -> None:
    metrics = DeltaTable(f"{settings.lake_root}/{table.path}").to_pyarrow_table(columns=list(table.names))
    days = metrics["trading_day"].to_pylist()
    with connect(settings.snowflake) as connection:
        assert differences(connection, metrics, table, min(days), max(days)) == []
        held = read_sessions_of_warehouse(connection, table, min(days), max(days))
    assert held.num_rows == metrics.num_rows and held.schema == table.arrow_schema()
