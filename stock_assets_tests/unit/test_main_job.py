"""The demo waits for what the sensors start: before, while and after it looks, and it takes no unfinished run for a failed one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from stock_assets.defs import runs
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.observability.runs import SESSIONS_TAG
from stock_assets.settings.platform import Settings

S = dg.DagsterRunStatus
Step = tuple[bool, Callable[[], None]]
"""Whether something waits, and what happens then."""
SINCE = datetime.now(UTC) - timedelta(minutes=1)


class Platform:
    """A Dagster instance whose runs change as a scenario says, one step at each look for what waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, *steps: Step) -> None:
        self.instance = instance
        self.steps: Iterator[Step] = iter(steps)
        self.said: list[str] = []
        monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(self.instance))
        monkeypatch.setattr(runs, "_waiting", self._waiting)
        monkeypatch.setattr("stock_assets.defs.runs.time.sleep", self._meanwhile)
        self.meanwhile: list[Callable[[], None]] = []

    def _waiting(self, _: Settings) -> bool:
        waiting, then = next(self.steps)
        then()
        return waiting

    def _meanwhile(self, _: float) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def run(self, job: str, status: dg.DagsterRunStatus) -> str:
        run = dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status)
        return self.instance.add_run(run).run_id

    def end(self, run_id: str, event: dg.DagsterEventType = dg.DagsterEventType.RUN_SUCCESS) -> None:
        self.instance.report_dagster_event(dg.DagsterEvent(event.value, "build", message="it broke"), run_id)

    def wait(self, **values: str) -> runs.MainJob:
        return runs.wait_for_main_job(Settings(values), SINCE, self.said.append)


def nothing() -> None:
    pass


def test_a_run_that_goes_on_is_waited_for_and_not_called_failed(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    platform = Platform(monkeypatch, instance, (False, nothing))
    platform.run("drain", S.SUCCESS)
    going_on = platform.run("build", S.STARTING)
    platform.meanwhile = [nothing, lambda: platform.end(going_on)]
    done = platform.wait()
    assert [job for job, _ in done.runs] == ["drain", "build"]
    assert [line.split()[0] for line in platform.said] == ["drain", "build"]


def test_a_run_that_a_sensor_asks_for_during_the_look_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    late: list[str] = []
    platform = Platform(
        monkeypatch, instance, (False, lambda: late.append(platform.run("build", S.NOT_STARTED))), (False, nothing)
    )
    platform.meanwhile = [lambda: platform.end(late[0])]
    assert [job for job, _ in platform.wait().runs] == ["build"]


def test_what_no_sensor_has_seen_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    platform = Platform(monkeypatch, instance, (True, nothing), (True, nothing), (False, nothing))
    platform.meanwhile = [nothing, lambda: platform.end(platform.run("build", S.STARTED))]
    assert [job for job, _ in platform.wait().runs] == ["build"]


def test_a_failed_run_is_named_with_its_cause_and_where_to_look(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    platform = Platform(monkeypatch, instance, (True, nothing))
    run_id = platform.run("build", S.STARTED)
    platform.meanwhile = [lambda: platform.end(run_id, dg.DagsterEventType.RUN_FAILURE)]
    with pytest.raises(PermanentError) as failed:
        platform.wait(DAGSTER_PORT="3100")
    assert f"run {run_id[:8]} of build failed: it broke" in str(failed.value)
    assert f"http://127.0.0.1:3100/runs/{run_id}" in str(failed.value) and "stock-assets doctor" in str(failed.value)


def test_each_step_is_told_once_with_its_sessions(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    @dg.asset(key=["bars", "daily_bars"])
    def daily_bars() -> None:
        """Nothing."""

    platform = Platform(monkeypatch, instance, (False, nothing))
    going_on = platform.run("drain", S.STARTING)
    tags = {SESSIONS_TAG: "2013-02-27 to 2013-03-01"}
    platform.meanwhile = [
        lambda: bool(dg.materialize([daily_bars], instance=platform.instance, tags=tags)),
        nothing,
        lambda: platform.end(going_on),
    ]
    platform.wait()
    (told,) = (line for line in platform.said if "bars/daily_bars" in line)
    assert " bars/daily_bars of 2013-02-27 to 2013-03-01 in 0." in told


def test_runs_of_before_do_not_count(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    platform = Platform(monkeypatch, instance, (False, nothing))
    platform.run("build", S.FAILURE)
    assert runs.wait_for_main_job(Settings({}), datetime.now(UTC) + timedelta(minutes=1)).runs == []


@pytest.mark.parametrize("by_setting", [True, False])
def test_what_nobody_would_ever_do_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, by_setting: bool
) -> None:
    platform = Platform(monkeypatch, instance, (True, nothing))
    states = [SimpleNamespace(name="staleness_sensor", is_running=False)]
    monkeypatch.setattr(platform.instance, "all_instigator_state", lambda: [] if by_setting else states)
    with pytest.raises(PermanentError, match="staleness_sensor is switched off.*AUTOMATIC=true"):
        platform.wait(**({"AUTOMATIC": "false"} if by_setting else {}))


def test_a_topic_that_is_stopped_is_told(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    waiting = runs._waiting
    platform = Platform(monkeypatch, instance)
    monkeypatch.setattr(runs, "_waiting", waiting)
    monkeypatch.setattr(runs, "read_lags", lambda *_: {"ticks": 0, "actions": "it was deleted and created again"})
    with pytest.raises(PermanentError, match="deleted and created again"):
        platform.wait()


def test_the_session_of_a_market_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    today = datetime.now(EXCHANGE_ZONE).date()
    monkeypatch.setattr(runs, "read_lags", lambda *_: {"ticks": 0})
    monkeypatch.setattr(runs, "stale_sessions", lambda *_: [today])
    assert not runs._waiting(Settings({})) and runs._waiting(Settings({"LIVE_DEMO": "0"}))
    monkeypatch.setattr(runs, "stale_sessions", lambda *_: [today - timedelta(days=1), today])
    assert runs._waiting(Settings({}))
