"""Which of Dagster's doings are a problem."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stock_assets.local.states import ServiceState
from stock_assets.observability.fact import Fact
from stock_assets.observability.runs import (
    LONGEST_QUEUED_S,
    LONGEST_SILENCE_S,
    FailedRun,
    Instigator,
    Orchestration,
    daemon_fact,
    run_facts,
    unbuilt,
)
from stock_assets.settings.platform import Settings

SETTINGS = Settings({"DAGSTER_PORT": "3100", "STOCK_ASSETS_LOCAL": "/somewhere"})
RUNNING, STOPPED = (ServiceState("dagster-daemon", state, 7, "-", 9) for state in ("running", "stopped"))
HEALTHY = Orchestration(runs=True, heartbeats={"SENSOR": 12.0}, instigators=[Instigator("staleness_sensor", True)])
DRAIN = FailedRun("drain", "drain ticks", "abcd", "t was created again, run: stock-assets adopt-topic ticks", 1000.0, 3)
BUILD = FailedRun("build", "build", "efgh", "no Spark Connect server answers", 1000.0)
BEATS = st.dictionaries(st.sampled_from(["SENSOR", "SCHEDULER", "BACKFILL"]), st.none() | st.floats(0, 1e6), min_size=1)


def problems(seen: Orchestration | None, settings: Settings = SETTINGS, stale: bool = True) -> list[Fact]:
    return [fact for fact in run_facts(settings, seen, stale, now=2000.0) if fact.problem]


def test_a_healthy_instance_and_one_that_is_not_there_yet_are_no_problem() -> None:
    assert not problems(HEALTHY) and not problems(None) and not problems(Orchestration())
    assert [fact.sentence for fact in run_facts(SETTINGS, None, True)] == ["nothing has run yet"]


def test_a_failed_run_is_told_with_cause_count_command_and_page() -> None:
    (fact,) = problems(Orchestration(runs=True, failed=[DRAIN]))
    assert (fact.about, fact.value, fact.unit) == ("drain ticks", 3, "runs")
    assert fact.sentence.startswith(DRAIN.cause) and "failed 3 times in a row" in fact.sentence
    assert fact.cure == "`stock-assets adopt-topic ticks`, then see http://127.0.0.1:3100/runs/abcd"


def test_a_failed_build_whose_sessions_were_built_since_is_told_and_no_problem() -> None:
    seen = Orchestration(runs=True, failed=[BUILD])
    assert problems(seen)[0].cure == "See http://127.0.0.1:3100/runs/efgh"
    assert not problems(seen, stale=False)
    assert any("were built since" in fact.sentence for fact in run_facts(SETTINGS, seen, False))


def test_what_somebody_started_by_hand_is_remembered_for_a_day() -> None:
    by_hand = FailedRun("__ASSET_JOB", "materialization of raw/ticks", "x", "not rebuildable", 1000.0, automatic=False)
    seen = Orchestration(runs=True, failed=[by_hand])
    assert next(fact.problem for fact in run_facts(SETTINGS, seen, True, now=1000.0 + 86_399))
    assert not [fact for fact in run_facts(SETTINGS, seen, True, now=1000.0 + 86_401) if fact.problem]


@given(age=st.floats(0, 1e6))
def test_a_run_that_is_queued_for_long_is_a_problem(age: float) -> None:
    seen = Orchestration(runs=True, queued=("abcdefghij", age), in_flight=frozenset({"build"}))
    assert bool(problems(seen)) == (age > LONGEST_QUEUED_S)


@given(beats=BEATS)
def test_the_daemon_is_judged_by_its_oldest_heartbeat(beats: dict[str, float | None]) -> None:
    fact = daemon_fact(SETTINGS, Orchestration(heartbeats=beats), RUNNING)
    assert fact.problem == any(age is None or age > LONGEST_SILENCE_S for age in beats.values())
    assert bool(fact.cure) == fact.problem
    assert daemon_fact(SETTINGS, Orchestration(heartbeats=beats), STOPPED).problem
    assert daemon_fact(SETTINGS, Orchestration(heartbeats=beats), None) == fact  # one that others run


def test_a_sensor_that_is_off_or_fails_is_a_problem_unless_the_settings_want_it_off() -> None:
    off = Orchestration(runs=True, instigators=[Instigator("drain_sensor", False)])
    failing = Orchestration(runs=True, instigators=[Instigator("drain_sensor", True, "KeyError: 'x'")])
    assert "switched off" in problems(off)[0].sentence and "automation" in problems(off)[0].cure
    assert "KeyError" in problems(failing)[0].sentence
    by_hand = Settings({"AUTOMATIC": "false"})
    assert not problems(off, by_hand)
    assert any("AUTOMATIC=false" in fact.sentence for fact in run_facts(by_hand, off, True))


def test_stale_sessions_are_left_alone_only_while_something_will_build_them() -> None:
    well = daemon_fact(SETTINGS, HEALTHY, RUNNING)

    def why(settings: Settings = SETTINGS, daemon: Fact = well, **changed: Any) -> str:
        found = unbuilt(settings, Orchestration(**{**vars(HEALTHY), **changed}), daemon)
        assert found is None or found.cure
        return found.sentence if found is not None else ""

    assert why() == ""
    assert "switched off" in why(instigators=[Instigator("staleness_sensor", False)])
    assert "AUTOMATIC=false" in why(Settings({"AUTOMATIC": "false"}), instigators=[])
    assert "fails: boom" in why(instigators=[Instigator("staleness_sensor", True, "boom")])
    assert "the last build failed: no Spark" in why(failed=[BUILD])
    assert why(failed=[DRAIN]) == ""
    dead = daemon_fact(SETTINGS, HEALTHY, STOPPED)
    assert "dagster-daemon: stopped" in why(daemon=dead)
    assert why(daemon=dead, in_flight=frozenset({"build"})) == ""
    assert unbuilt(SETTINGS, None, daemon_fact(SETTINGS, None, RUNNING)) is not None
