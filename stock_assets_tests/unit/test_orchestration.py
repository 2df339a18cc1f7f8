"""What an instance of Dagster tells: failed runs, their causes and what followed them, proofs, heartbeats, sensors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs.failures import tells_failures
from stock_assets.domain.errors import PermanentError, ServiceUnavailable, TopicRecreated
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.commit import LANDING_ID
from stock_assets.observability.orchestration import failed_runs, observed, topic_tag
from stock_assets.observability.runs import run_facts
from stock_assets.settings.platform import Settings


def failing(error: Exception, **options: Any) -> dg.AssetsDefinition:
    @dg.asset(key=["raw", "ticks"], **options)
    @tells_failures
    def ticks() -> None:
        raise error

    return ticks


def drain(instance: dg.DagsterInstance, *stages: str, error: Exception | None = None) -> None:
    """A run of ``drain`` with the tags of these stages; with an error its ticks fail, for good."""

    @dg.op(name="raw__ticks", retry_policy=dg.RetryPolicy(max_retries=3))
    @tells_failures
    def ticks() -> None:
        if error is not None:
            raise error

    @dg.op(name="raw__actions")
    def actions() -> None:
        pass

    @dg.job(name="drain")
    def job() -> None:
        ticks()
        actions()

    tags = {topic_tag(stage): "yes" for stage in stages}
    job.execute_in_process(
        instance=instance, raise_on_error=False, tags={**tags, "dagster/sensor_name": "drain_sensor"}
    )


def told(instance: dg.DagsterInstance, lake: Path) -> list[tuple[str, str, int]]:
    return [(each.purpose, each.cause, each.in_a_row) for each in failed_runs(instance, str(lake))]


def test_each_topic_s_failed_drains_are_counted_until_a_success_of_its_own(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    for _ in range(2):
        drain(instance, "ticks", "actions", error=TopicRecreated("ticks was created again"))
    assert told(instance, tmp_path) == [("drain ticks", "ticks was created again", 2)]  # actions did well beside it
    drain(instance, "actions")
    assert told(instance, tmp_path) == [("drain ticks", "ticks was created again", 2)]
    seen = observed(instance, str(tmp_path))
    assert seen.runs and seen.failed[0].automatic and not seen.in_flight
    drain(instance, "ticks")
    assert told(instance, tmp_path) == []


def test_a_topic_that_somebody_landed_since_its_drain_failed_is_well(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    from deltalake import CommitProperties, write_deltalake

    drain(instance, "ticks", error=TopicRecreated("ticks was created again"))
    table = open_or_create_table(str(tmp_path), RAW_TICKS)
    assert told(instance, tmp_path)
    landing = CommitProperties(custom_metadata={LANDING_ID: "adopt-1"})
    write_deltalake(table, table.to_pyarrow_table(), mode="append", commit_properties=landing)
    assert told(instance, tmp_path) == []


def test_runs_of_other_assets_are_no_success(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    def materialized(status: dg.DagsterRunStatus, *keys: str) -> None:
        selection = frozenset(dg.AssetKey(key.split("/")) for key in keys)
        run = dg.DagsterRun("__ASSET_JOB", run_id=str(uuid.uuid4()), status=status, asset_selection=selection)
        instance.add_run(run)

    materialized(dg.DagsterRunStatus.FAILURE, "raw/ticks")
    materialized(dg.DagsterRunStatus.SUCCESS, "raw/bars")
    ((purpose, cause, _),) = told(instance, tmp_path)
    assert purpose == "materialization of raw/ticks" and cause == "it was ended from outside"
    assert not next(failed_runs(instance, str(tmp_path))).automatic
    materialized(dg.DagsterRunStatus.SUCCESS, "raw/ticks", "raw/bars")
    assert told(instance, tmp_path) == []


def test_a_blocking_check_that_failed_is_the_cause_and_a_broken_proof(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    spec = dg.AssetCheckSpec("completeness", asset=["raw", "ticks"], blocking=True)

    def land(passed: bool) -> None:
        @dg.asset(key=["raw", "ticks"], check_specs=[spec])
        def ticks() -> Iterator[Any]:
            yield dg.MaterializeResult()
            yield dg.AssetCheckResult(
                passed=passed, check_name="completeness", description="Offsets 3 to 4 are missing."
            )

        dg.materialize([ticks], instance=instance, raise_on_error=False)

    land(False)
    ((_, cause, _),) = told(instance, tmp_path)
    assert cause == "raw/ticks completeness: Offsets 3 to 4 are missing."
    seen = observed(instance, str(tmp_path))
    assert seen.broken == {"raw/ticks": "Offsets 3 to 4 are missing."}
    assert (
        "stock-assets verify"
        in next(fact for fact in run_facts(Settings({}), seen, False) if fact.name == "completeness").cure
    )
    land(True)
    assert observed(instance, str(tmp_path)).broken == {"raw/ticks": ""}


def test_an_unknown_exception_is_told_by_its_own_words(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    dg.materialize([failing(KeyError("odd"))], instance=instance, raise_on_error=False)
    assert [cause for _, cause, _ in told(instance, tmp_path)] == ["KeyError: 'odd'"]


def test_a_queued_run_and_a_heartbeat_are_told_by_their_age(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(job: str, status: dg.DagsterRunStatus, age_s: float) -> Any:
        run = SimpleNamespace(job_name=job, run_id=f"{job}-run", status=status)
        return SimpleNamespace(dagster_run=run, create_timestamp=datetime.now(UTC) - timedelta(seconds=age_s))

    S = dg.DagsterRunStatus
    going_on = [record("drain", S.QUEUED, 5), record("build", S.QUEUED, 1000), record("maintenance", S.STARTED, 9000)]
    monkeypatch.setattr(
        instance,
        "get_run_records",
        lambda wanted=None, limit=None: going_on if wanted and S.QUEUED in wanted.statuses else [],
    )
    seen = observed(instance, str(tmp_path))
    assert seen.queued is not None and seen.queued[0] == "build-run" and 1000 <= seen.queued[1] < 1600
    assert seen.in_flight == {"build", "drain", "maintenance"}
    assert seen.heartbeats and set(seen.heartbeats.values()) == {None}
    beats = {name: SimpleNamespace(timestamp=time.time() - 400) for name in seen.heartbeats}
    monkeypatch.setattr(instance, "get_daemon_heartbeats", lambda: beats)
    aged = observed(instance, str(tmp_path)).heartbeats or {}
    assert set(aged) == set(beats) and all(age is not None and 400 <= age < 1000 for age in aged.values())


def test_sensors_are_told_by_their_switch_and_last_evaluation_that_ended(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [
        SimpleNamespace(name=name, is_running=name != "off", instigator_origin_id=name, selector_id=name)
        for name in ("off", "failing", "at work", "new")
    ]
    boom = SimpleNamespace(message="ValueError: boom\n", cls_name="ValueError", cause=None)
    ticks = {
        "failing": [SimpleNamespace(status=SimpleNamespace(value="FAILURE"), error=boom)],
        "at work": [
            SimpleNamespace(status=SimpleNamespace(value="STARTED"), error=None),
            SimpleNamespace(status=SimpleNamespace(value="FAILURE"), error=boom),
        ],
    }
    monkeypatch.setattr(instance, "all_instigator_state", lambda: states)
    monkeypatch.setattr(instance, "get_ticks", lambda origin, _, limit: ticks.get(origin, []))
    found = {each.name: (each.running, each.error) for each in observed(instance, str(tmp_path)).instigators}
    assert found == {
        "off": (False, ""), "failing": (True, "ValueError: boom"), "at work": (True, "ValueError: boom"), "new": (True, "")
    }  # fmt: skip


def test_an_error_raised_on_purpose_fails_at_once_or_after_retries_and_is_the_headline(
    instance: dg.DagsterInstance,
) -> None:
    for error, attempts in ((PermanentError("mend it"), 1), (ServiceUnavailable("it is away"), 3)):
        asset = failing(error, retry_policy=dg.RetryPolicy(max_retries=2, delay=0))
        run = dg.materialize([asset], instance=instance, raise_on_error=False)
        (failed,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        assert failed.dagster_event is not None
        data = failed.dagster_event.step_failure_data.user_failure_data
        assert data is not None and data.description == str(error)
        restarts = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_RESTARTED)
        assert 1 + len(restarts) == attempts
