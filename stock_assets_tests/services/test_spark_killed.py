"""Spark's server is killed, and what used it goes on with the next one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spark import jobs
from spark.checkpoint import compute_once
from stock_assets.defs.built_assets import MINUTE_BARS_KEY, built_assets
from stock_assets.defs.jobs import build_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake, Spark
from stock_assets.domain.tables import MINUTE_BARS, RAW_TICKS
from stock_assets.lake.tables import read_sessions
from stock_assets.local.readiness import port_open
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.settings.spark import SMALL_BUILD_ROWS
from stock_assets_tests.patience import wait_for
from stock_assets_tests.pipeline.raw_rows import at, land, tick

DAY = date(2013, 10, 7)


@pytest.fixture
def server(own_settings: Settings) -> Iterator[Services]:
    """Spark's server under the supervisor, for this test alone to kill."""
    services = Services(own_settings, print)
    services.up(["spark"])
    services.stop(["spark-warm"])
    yield services
    services.down()


def sessions_of(settings: Settings) -> Spark:
    return Spark(remote=settings.shared_spark_remote, small_remote=settings.small_spark_remote)


def pid_of_spark(services: Services) -> int:
    """0 while it does not run."""
    state = {each.name: each for each in services.status()}["spark"]
    return state.pid or 0 if state.state == "running" else 0


def kill_spark(services: Services) -> None:
    """End it without a word, and wait for the one that the supervisor starts."""
    before = pid_of_spark(services)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pid_of_spark(services) not in (before, 0))
    wait_for(lambda: port_open(services.settings.local.spark_port))  # else the client's own backoff is waited out


def compute_while_it_is_killed(spark: Any, services: Services) -> None:
    """A query of hours, whose server is killed as soon as it works on it.

    Raises:
        PySparkException: what the client says of it.
    """
    killed = threading.Event()

    def kill_once(inflight_tasks: int, **_: Any) -> None:
        if inflight_tasks and not killed.is_set():
            killed.set()
            kill_spark(services)

    spark.registerProgressHandler(kill_once)
    spark.range(10**15).selectExpr("sum(id % 7)").collect()


def test_sessions_are_opened_again(server: Services) -> None:
    spark = sessions_of(server.settings)
    for _ in range(2):
        for rows in (0, SMALL_BUILD_ROWS):
            assert spark.session(rows).range(3).count() == 3
        kill_spark(server)
    for rows, compiles in ((0, "false"), (SMALL_BUILD_ROWS, "true"), (0, "false")):
        session = spark.session(rows)
        assert session.conf.get("spark.sql.codegen.wholeStage") == compiles
        assert compute_once(session.range(3)).count() == 3
    spark.close()


@pytest.mark.soak
@pytest.mark.parametrize("times", [1, 5])
def test_a_step_in_which_it_is_killed_succeeds_by_its_own_retries(
    server: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    lake = str(tmp_path / "lake")
    land(lake, RAW_TICKS, [tick(at(DAY, "10:00"), 100.0)])
    kills: list[int] = []
    build = jobs.build_minute_bars

    def killed_some_times(spark: Any, *given: Any, **versions: Any) -> jobs.StageReport:
        if len(kills) < times:
            kills.append(pid_of_spark(server))
            compute_while_it_is_killed(spark, server)
        return build(spark, *given, **versions)

    monkeypatch.setattr(jobs, "build_minute_bars", killed_some_times)
    settings = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": "2013-01-02"})
    assets = built_assets(session_partitions(settings.dagster.first_session), settings)
    name = MINUTE_BARS_KEY.to_python_identifier()
    spark = sessions_of(server.settings)
    result = dg.materialize(
        [asset for asset in assets if MINUTE_BARS_KEY in asset.keys],
        instance=dg.DagsterInstance.ephemeral(),
        resources={"lake": Lake(root=lake), "spark": spark},
        partition_key=str(DAY),
        run_config={"ops": {name: build_config(DAY, DAY)["ops"][name]}},
        raise_on_error=False,
    )
    assert result.success, [event.message for event in result.all_events if event.is_failure]
    assert len(set(kills)) == times
    assert len(result.get_step_success_events()) == 1
    assert read_sessions(lake, MINUTE_BARS, ["close"]).num_rows == 1
    spark.close()
