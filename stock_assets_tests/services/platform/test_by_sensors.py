"""The whole platform as users run it: sensors, the UI's requests, corrections, and a killed run."""

import os
import signal
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from stock_assets.domain import tables
from stock_assets.domain.messages import Tick, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.lake.tables import read_sessions
from stock_assets.raw.completeness import prove
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import TICKS
from stock_assets.warehouse.connect import connect
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.platform.running import FIRST, LAST, RUNS_S, TICK_SOURCE, Platform

TICK_DAYS = (date(2013, 2, 27), date(2013, 2, 28), LAST)


def test_published_records_reach_the_warehouse_by_sensors_alone(platform: Platform) -> None:
    wait_for(lambda: bool(platform.events("warehouse/daily_stock_metrics")) and platform.up_to_date(), RUNS_S, 1)
    sessions = {str(day) for day in sessions_between(FIRST, LAST)}
    assert {partition for partition, _ in platform.events("raw/ticks")} == {str(day) for day in TICK_DAYS}
    for asset in ("bars/daily_bars", "metrics/daily_metrics", "warehouse/daily_stock_metrics"):
        assert {partition for partition, _ in platform.events(asset)} == sessions
        # One run for the whole range, not one per session.
        assert len({run_id for _, run_id in platform.events(asset)}) <= 2
    with connect(platform.settings.snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*), COUNT(DISTINCT SYMBOL) FROM DAILY_STOCK_METRICS")
        assert cursor.fetchone() == (5 * len(sessions), 5)
    assert all(proof.holds for proof in prove(platform.settings.lake_root, TICKS))
    assert latest_checks(platform) == {"FAILED": [], "MISSING": []}


def test_bars_from_ticks_equal_the_real_bars(platform: Platform) -> None:
    wait_for(platform.up_to_date, RUNS_S, 1)
    rows = read_sessions(platform.settings.lake_root, tables.DAILY_BARS, list(tables.DAILY_BARS.names), *TICK_DAYS[::2])
    figures: dict[str, dict[Any, Any]] = {TICK_SOURCE: {}, "bokeh": {}}
    for row in rows.to_pylist():
        figures[row["source"]][row["symbol"], row["trading_day"]] = [
            row[name] for name in ("open", "high", "low", "close", "volume")
        ]
    assert len(figures[TICK_SOURCE]) == 15
    assert figures[TICK_SOURCE] == figures["bokeh"]


def test_a_late_tick_recomputes_its_session_only_and_one_more_during_the_run_again(platform: Platform) -> None:
    from stock_assets.defs.jobs import BUILD
    from stock_assets.defs.pacing import in_flight

    wait_for(platform.up_to_date, RUNS_S, 1)
    before, day = platform.newest_event(), TICK_DAYS[0]
    volume = platform.bar(day, "IBM")["volume"]
    publish_late(platform, day, "late-1")
    wait_for(lambda: in_flight(platform.instance, BUILD.name) is not None, 120)
    publish_late(platform, day, "late-2")
    wait_for(lambda: platform.bar(day, "IBM")["volume"] == volume + 200 and platform.up_to_date(), RUNS_S, 1)
    assert {partition for partition, _ in platform.events("bars/minute_bars", before)} == {str(day)}
    assert {partition for partition, _ in platform.events("bars/daily_bars", before)} == {str(day)}
    with connect(platform.settings.snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VOLUME FROM DAILY_STOCK_METRICS WHERE SYMBOL = 'IBM' AND TRADING_DAY = %s", (str(day),))
        assert cursor.fetchone() == (volume + 200,)


@pytest.mark.soak
def test_a_repeated_tick_changes_nothing_below_the_bars(platform: Platform) -> None:
    wait_for(platform.up_to_date, RUNS_S, 1)
    before, repeats = platform.newest_event(), platform.bar(TICK_DAYS[0], "IBM")["repeats"]
    publish_late(platform, TICK_DAYS[0], "late-1")
    wait_for(lambda: platform.bar(TICK_DAYS[0], "IBM")["repeats"] == repeats + 1 and platform.up_to_date(), RUNS_S, 1)
    metrics = platform.events("metrics/daily_metrics", before)
    assert {partition for partition, _ in metrics} <= {str(TICK_DAYS[0])}


def test_a_backfill_of_a_range_in_the_ui_is_one_run(platform: Platform) -> None:
    wait_for(platform.up_to_date, RUNS_S, 1)
    before = platform.newest_event()
    keys = [str(day) for day in TICK_DAYS]
    started = platform.graphql(
        "mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) "
        "{ __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        params={
            "partitionNames": keys,
            "assetSelection": [{"path": ["raw", "ticks"]}, {"path": ["bars", "daily_bars"]}],
        },
    )["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    backfill = started["backfillId"]
    wait_for(lambda: ended(platform.instance, backfill), RUNS_S, 1)
    for asset in ("raw/ticks", "bars/daily_bars"):
        events = platform.events(asset, before)
        assert {partition for partition, _ in events} == set(keys)
        assert len({run_id for _, run_id in events}) == 1
    wait_for(platform.up_to_date, RUNS_S, 1)
    assert all(proof.holds for proof in prove(platform.settings.lake_root, TICKS, list(TICK_DAYS)))


@pytest.mark.soak
def test_a_drain_killed_in_mid_landing_is_followed_by_one_that_completes(platform: Platform) -> None:
    from stock_assets.defs.jobs import DRAIN

    wait_for(platform.up_to_date, RUNS_S, 1)
    known = {record.dagster_run.run_id for record in platform.instance.get_run_records(limit=200)}
    publish(platform.settings.broker, (late_tick(TICK_DAYS[1], f"many-{n}", n) for n in range(60_000)))
    run_id = wait_for(lambda: started_run(platform.instance, DRAIN.name, known), 120)
    pid = wait_for(lambda: worker_of(platform.instance, run_id), 60)
    assert b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()  # a spawned one would import for 15 seconds
    os.kill(pid, signal.SIGKILL)
    wait_for(platform.up_to_date, RUNS_S, 1)
    assert all(proof.holds for proof in prove(platform.settings.lake_root, TICKS))
    rows = read_sessions(platform.settings.lake_root, tables.RAW_TICKS, ["event_id"], TICK_DAYS[1], TICK_DAYS[1])
    assert sum(str(name).startswith("many-") for name in rows["event_id"].to_pylist()) == 60_000


def publish_late(platform: Platform, day: date, event_id: str) -> None:
    publish(platform.settings.broker, [late_tick(day, event_id, 0)])


def late_tick(day: date, event_id: str, number: int) -> Tick:
    return Tick(
        symbol="IBM",
        event_time=instant(session(day).open_time) + 3_600_000_000 + number,
        price=200.5,
        currency="USD",
        source="simulator",
        event_id=event_id,
        size=100,
    )


def latest_checks(platform: Platform) -> dict[str, list[str]]:
    """Names of checks whose last execution failed, or that never ran. Those of marts are dbt's tests, and no dbt is
    here; those of windows and findings run apart from the build."""
    nodes = platform.graphql(
        "{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name "
        "executionForLatestMaterialization { status } } } } } }"
    )["assetNodes"]
    found: dict[str, list[str]] = {"FAILED": [], "MISSING": []}
    for node in nodes:
        for check in node["assetChecksOrError"].get("checks", []):
            name = f"{'/'.join(node['assetKey']['path'])} {check['name']}"
            execution = check["executionForLatestMaterialization"]
            if execution is None and not name.startswith(("raw/", "marts/", "live/")):
                found["MISSING"].append(name)
            elif execution and execution["status"] != "SUCCEEDED":
                found["FAILED"].append(name)
    return found


def ended(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    backfill = instance.get_backfill(backfill_id)
    assert backfill is not None and backfill.status.value not in ("FAILED", "COMPLETED_FAILED"), backfill
    return backfill.status.value in ("COMPLETED", "COMPLETED_SUCCESS")


def started_run(instance: dg.DagsterInstance, job: str, known: set[str]) -> str | None:
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=5)
    fresh = [record.dagster_run for record in records if record.dagster_run.run_id not in known]
    return next((run.run_id for run in fresh if run.status == dg.DagsterRunStatus.STARTED), None)


def worker_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes a run's step."""
    started = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
    return next((entry.dagster_event.pid for entry in started if entry.dagster_event), None)
