"""Every run is deleted from Dagster's records, and what they say of partitions and checks stays as it was."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs.retention import DAY_S, Expired, delete_old_logs, expire
from stock_assets.defs.storage import keep_connections
from stock_assets.local.dagster import ensure_home
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets_tests.conftest import place

PARTITIONS = dg.DailyPartitionsDefinition("2013-02-25", end_date="2013-03-02")
DAYS = ["2013-02-25", "2013-02-26", "2013-02-27", "2013-02-28"]
BARS, METRICS, MART, TOPIC = (dg.AssetKey([name]) for name in ("bars", "metrics", "mart", "topic"))
broken: set[str] = set()
"""What fails in the next run: a day, or ``mart``."""


@dg.asset(key=BARS, partitions_def=PARTITIONS)
def bars(context: dg.AssetExecutionContext) -> None:
    print("printed by a step")
    if context.partition_key in broken:
        raise ValueError("no bars today")


@dg.asset(key=METRICS, partitions_def=PARTITIONS, deps=[BARS])
def metrics() -> None: ...


@dg.asset(key=MART, deps=[METRICS])
def mart() -> None:
    if "mart" in broken:
        raise ValueError("no mart")


@dg.asset_check(asset=BARS, partitions_def=PARTITIONS)
def complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=context.partition_key != DAYS[1])


DEFS = dg.Definitions(
    assets=[bars, metrics, mart], asset_checks=[complete],
    jobs=[
        dg.define_asset_job("daily", dg.AssetSelection.assets(BARS, METRICS)),
        dg.define_asset_job("marts", dg.AssetSelection.assets(MART)),
    ],
    executor=dg.in_process_executor,
)  # fmt: skip
CHECK = dg.AssetCheckKey(BARS, "complete")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a running PostgreSQL."""
    with pytest.MonkeyPatch.context() as patch:
        settings = place(patch, tmp_path_factory.mktemp("records"))
        services = Services(settings, print)
        services.up(["postgres"])
        ensure_home(settings)
        yield settings
        services.down()


@pytest.fixture
def records(own: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's records in it, without runs."""
    with dg.DagsterInstance.from_config(str(own.dagster_home)) as instance:
        keep_connections(instance)
        for each in instance.get_runs():
            instance.delete_run(each.run_id)
        yield instance


def run(instance: dg.DagsterInstance, job: str, partition: str | None = None, fails: str = "") -> str:
    broken.clear()
    broken.update({fails} - {""})
    done = DEFS.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )
    assert done.success != bool(fails)
    return done.run_id


def fill(instance: dg.DagsterInstance) -> None:
    """Each way in which a run can end, and be followed by another one."""
    for day in DAYS[:3]:
        run(instance, "daily", day)
    run(instance, "daily", DAYS[0])
    run(instance, "marts")
    for number in range(4):
        instance.report_runless_asset_event(dg.AssetObservation(TOPIC, metadata={"lag": number}))
        instance.report_runless_asset_event(dg.AssetMaterialization(METRICS, partition="2013-03-01"))


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the UI shows of partitions and checks, computed from the events, not from what was cached of them."""
    instance.wipe_asset_cached_status([BARS, METRICS])
    statuses = {
        key.to_user_string(): instance.get_status_by_partition(key, PARTITIONS.get_partition_keys(), PARTITIONS)
        for key in (BARS, METRICS)
    }
    newest = {
        (key.to_user_string(), day): [
            (record.storage_id, record.run_id)
            for record in instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day] if day else None), limit=1
            ).records
        ]
        for key, day in [*((key, day) for key in (BARS, METRICS) for day in DAYS), (MART, None)]
    }
    states = instance.event_log_storage.get_asset_check_state([(CHECK, PARTITIONS)])
    checks = {
        status.value: sorted(subset.subset_value.get_partition_keys())
        for status, subset in states[CHECK].subsets.items()
    }
    infos = instance.event_log_storage.get_asset_check_partition_info([CHECK])
    latest = instance.get_latest_asset_check_evaluation_record(CHECK)
    observed = instance.fetch_observations(TOPIC, limit=1).records[0].asset_observation
    assert latest is not None and observed is not None
    return {
        "partitions": statuses, "materializations": newest, "checks": checks,
        "each check": sorted(map(repr, infos)), "latest check": latest.id, "lag": observed.metadata["lag"].value,
    }  # fmt: skip


def count(settings: Settings, table: str, where: str = "true") -> int:
    from sqlalchemy import create_engine, text

    engine = create_engine(settings.dagster_pg_url)
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


def later() -> float:
    return time.time() + 31 * DAY_S


def test_every_run_goes_and_partitions_and_checks_stay_as_they_were(records: dg.DagsterInstance, own: Settings) -> None:
    fill(records)
    before = shown(records)
    assert "AssetPartitionStatus.MATERIALIZED" in map(str, before["partitions"]["bars"].values())
    assert before["checks"]["FAILED"] == [DAYS[1]] and before["checks"]["SUCCEEDED"] == [DAYS[0], DAYS[2]]
    printed = own.dagster_home / "storage" / records.get_runs()[-1].run_id / "compute_logs"
    printed.mkdir(parents=True, exist_ok=True)
    assert expire(records, own) == Expired()  # none is old enough
    gone = expire(records, own, later())
    assert gone.runs == 5 and gone.events > 50
    assert records.get_runs_count() == 0 == count(own, "run_tags") and not printed.exists()
    assert shown(records) == before
    kept = count(own, "event_logs")
    assert kept == count(own, "event_logs", "dagster_event_type LIKE 'ASSET_%%'")
    assert (
        kept == len(DAYS[:3]) * 2 + 1 + 1 + 1
    )  # partitions of two assets, one told without a run, a mart, an observation
    assert count(own, "asset_check_executions") == 3
    assert expire(records, own, later()) == Expired()
    run(records, "daily", DAYS[3])  # and it goes on
    assert DAYS[3] in records.get_materialized_partitions(METRICS)


def test_a_run_that_is_the_last_word_on_what_failed_stays_until_it_is_followed(
    records: dg.DagsterInstance, own: Settings
) -> None:
    run(records, "daily", DAYS[2])
    failed = [
        run(records, "daily", DAYS[2], DAYS[2]),
        run(records, "daily", DAYS[3], DAYS[3]),
        run(records, "marts", fails="mart"),
    ]
    before = shown(records)
    assert "AssetPartitionStatus.FAILED" in map(str, before["partitions"]["bars"].values())
    assert expire(records, own, later()).runs == 1
    assert {each.run_id for each in records.get_runs()} == set(failed)
    assert shown(records) == before
    run(records, "daily", DAYS[2])
    run(records, "daily", DAYS[3])
    run(records, "marts")
    before = shown(records)
    expire(records, own, later())
    assert records.get_runs_count() == 0 and shown(records) == before


def test_nothing_goes_when_days_are_0_and_logs_of_nobody_go(tmp_path: Path, records: dg.DagsterInstance) -> None:
    run(records, "marts")
    assert expire(records, Settings.load(RUNS_KEEP_DAYS="0"), later()) == Expired()
    assert records.get_runs_count() == 1
    for name, age_days in (
        ("kafka.log", 1),
        ("publisher-simulator.log", 40),
        ("publisher-simulator.log.1", 50),
        ("mine.txt", 90),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_days * DAY_S,) * 2)
    assert delete_old_logs(tmp_path, 0) == 0 and delete_old_logs(tmp_path, 30) == 2
    assert {each.name for each in tmp_path.iterdir()} >= {"kafka.log", "mine.txt"}
    assert delete_old_logs(tmp_path, 30) == 0
