"""When patterns and anomalies are looked for, and that nothing waits for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs.finding_assets import FINDINGS, FINDINGS_SENSOR, findings_sensor
from stock_assets.defs.jobs import BUILD, DRAIN
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake
from stock_assets.defs.runs import LATER
from stock_assets.domain.finding_tables import FINDING_TABLES
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.lake.built import record_built
from stock_assets.lake.fingerprints import GONE
from stock_assets.quality.finding_state import anomalies_state
from stock_assets.settings.platform import Settings

DAYS = sessions_between(date(2013, 3, 1), date(2013, 3, 6))
PARTITIONS = session_partitions(date(2013, 1, 2))


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def look(instance: dg.DagsterInstance, lake: str, cursor: str | None = None) -> Any:
    sensor = findings_sensor(PARTITIONS, Settings({"LAKE_ROOT": lake}), dg.DefaultSensorStatus.RUNNING)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": Lake(root=lake)})
    return sensor(context)


def test_it_asks_for_what_is_stale_and_then_rests(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    lake = str(tmp_path)
    record_built(lake, MINUTE_BARS.path, dict.fromkeys(DAYS, "ticks"))
    asked = look(instance, lake)
    assert asked.partition_key == str(DAYS[-1])
    for op in asked.run_config["ops"].values():
        assert op == {"config": {"first": str(DAYS[0]), "last": str(DAYS[-1])}}
    record_built(lake, FINDING_TABLES[1].path, anomalies_state(lake))
    rests = look(instance, lake)
    assert rests.skip_reason.skip_message == "everything is up to date"
    assert "no table changed" in look(instance, lake, rests.cursor).skip_message
    record_built(lake, MINUTE_BARS.path, {DAYS[2]: "a late tick"})
    asked = look(instance, lake, rests.cursor)
    assert asked.tags["stock_assets/sessions"] == f"{DAYS[2]} to {DAYS[-1]}"
    record_built(lake, MINUTE_BARS.path, dict.fromkeys(DAYS, GONE))
    assert look(instance, lake, rests.cursor).tags["stock_assets/sessions"] == f"{DAYS[0]} to {DAYS[-1]}"


@pytest.mark.parametrize("job", [DRAIN.name, BUILD.name, FINDINGS.name])
def test_it_waits_for_who_is_at_work(instance: dg.DagsterInstance, tmp_path: Path, job: str) -> None:
    record_built(str(tmp_path), MINUTE_BARS.path, dict.fromkeys(DAYS, "ticks"))
    instance.add_run(dg.DagsterRun(job_name=job, run_id="0" * 32, status=dg.DagsterRunStatus.STARTED))
    assert "is in flight" in look(instance, str(tmp_path)).skip_message


def test_the_main_job_does_not_wait_for_it() -> None:
    assert FINDINGS_SENSOR in LATER
