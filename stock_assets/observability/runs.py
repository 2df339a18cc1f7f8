"""what Dagster is doing -> facts about runs, daemon and sensors.

Belongs here: which of it is a problem, and what to do about that. Rules alone: nothing is asked, and Dagster not imported.
Does not belong here: asking Dagster (``orchestration``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stock_assets.local.states import ServiceState
from stock_assets.observability.fact import Fact, command_in, duration
from stock_assets.settings.platform import Settings

SESSIONS_TAG = "stock_assets/sessions"
"""Tag of a build: its first and last session."""
DRAIN, BUILD, STALENESS_SENSOR = "drain", "build", "staleness_sensor"
SENSORS = ("drain_sensor", STALENESS_SENSOR)
"""Without these nothing is landed and built by itself."""
DAEMON = "dagster-daemon"
FAILED, QUEUED, HEARTBEAT, SENSOR, COMPLETENESS = (
    "failed_runs", "queued_run_age", "daemon_heartbeat_age", "sensor", "completeness"
)  # fmt: skip
LONGEST_QUEUED_S = 900.0
LONGEST_SILENCE_S = 150.0
"""A daemon beats every 30 s, later when one of its loops is at work: healthy ones were seen 60 s silent at the most, idle and during
builds on two cores with a load of 14. Dagster itself calls a dead one healthy for half an hour more. One that supervisor knows to be
stopped needs no age."""
REMEMBERED_S = 86_400.0
"""For how long a failed run that somebody started by hand is told: nobody repeats it, and it may have been refused for good."""


@dataclass(frozen=True)
class FailedRun:
    """The newest failed run of one purpose that no success has followed.

    Attributes:
        purpose: the job; with the topic of a drain, or the assets that somebody materialized.
        cause: what its steps said.
        ended: seconds since 1970.
        in_a_row: failed runs since the last success; of very many not all are counted.
        automatic: whether a sensor or schedule asked for it.
    """

    job: str
    purpose: str
    run_id: str
    cause: str
    ended: float
    in_a_row: int = 1
    automatic: bool = True


@dataclass(frozen=True)
class Instigator:
    """A sensor or schedule: whether it is switched on, and what its last evaluation failed with (empty: it did not)."""

    name: str
    running: bool
    error: str = ""


@dataclass(frozen=True)
class Orchestration:
    """What Dagster is doing.

    Attributes:
        runs: whether there ever was a run.
        in_flight: names of the jobs of which a run has not ended.
        queued: id and seconds since its request of the run that has been queued longest.
        heartbeats: per required daemon seconds since its last heartbeat; None for one that never had one.
        broken: per raw table what its last proof of completeness found wrong.
    """

    runs: bool = False
    failed: Sequence[FailedRun] = ()
    in_flight: frozenset[str] = frozenset()
    queued: tuple[str, float] | None = None
    heartbeats: Mapping[str, float | None] | None = None
    instigators: Sequence[Instigator] = ()
    broken: Mapping[str, str] | None = None


def link(settings: Settings, run_id: str = "") -> str:
    """The page of a run in Dagster's UI, or of all runs."""
    return f"http://127.0.0.1:{settings.local.dagster_port}/runs" + (f"/{run_id}" if run_id else "")


def run_facts(settings: Settings, seen: Orchestration | None, stale: bool, now: float | None = None) -> Iterator[Fact]:
    """Failed and queued runs, sensors, and the last proofs of completeness.

    Args:
        seen: None when there is no instance yet.
        stale: whether any session is; a failed build whose sessions were built since is no problem.
    """
    if seen is None or not seen.runs:
        yield Fact(FAILED, "", False, "nothing has run yet", "`make demo` shows the whole way once.", 0, "runs")
    if seen is None:
        return
    instant = time.time() if now is None else now
    failed = [each for each in seen.failed if each.automatic or instant - each.ended < REMEMBERED_S]
    for each in failed:
        over = each.job == BUILD and not stale
        times = f"failed {each.in_a_row} times in a row, last" if each.in_a_row > 1 else "failed"
        text = f"{each.cause} ({times} at {datetime.fromtimestamp(each.ended, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        text += "; its sessions were built since" if over else ""
        command, page = command_in(each.cause), link(settings, each.run_id)
        cure = f"`{command}`, then see {page}" if command else f"See {page}"
        yield Fact(FAILED, each.purpose, not over, text, cure, each.in_a_row, "runs")
    if seen.runs and not failed:
        yield Fact(FAILED, "", False, "no job's last run failed", "", 0, "runs")
    yield from _queue(settings, seen)
    yield from _sensors(settings, seen)
    for table, wrong in (seen.broken or {}).items():
        cure = "`stock-assets verify` names every hole." if wrong else ""
        yield Fact(COMPLETENESS, table, bool(wrong), wrong or "the last proof held", cure, float(bool(wrong)))


def _queue(settings: Settings, seen: Orchestration) -> Iterator[Fact]:
    run_id, age = seen.queued or ("", 0.0)
    late = age > LONGEST_QUEUED_S
    text = f"run {run_id[:8]} has been queued for {duration(age)}" if run_id else "no run is queued"
    text += f", behind {', '.join(sorted(seen.in_flight))}" if late and seen.in_flight else ""
    yield Fact(QUEUED, "", late, text, f"See {link(settings, run_id)}" if late else "", age, "seconds")


def _sensors(settings: Settings, seen: Orchestration) -> Iterator[Fact]:
    switch = f"Switch it on: http://127.0.0.1:{settings.local.dagster_port}/automation"
    if not settings.dagster.automatic:
        names = " and ".join(SENSORS)
        yield Fact(SENSOR, names, False, "not switched on by themselves: AUTOMATIC=false", switch)
    for each in seen.instigators:
        if not each.running:
            yield Fact(SENSOR, each.name, settings.dagster.automatic, "switched off", switch)
        elif each.error:
            page = f"See http://127.0.0.1:{settings.local.dagster_port}/automation"
            yield Fact(SENSOR, each.name, True, f"its last evaluation failed: {each.error}", page)
        else:
            yield Fact(SENSOR, each.name, False, "on, and its last evaluation succeeded")


def daemon_fact(settings: Settings, seen: Orchestration | None, state: ServiceState | None) -> Fact:
    """Whether Dagster's daemon lives: by the age of its oldest heartbeat, and by supervisor's word where it is ours to run.

    Args:
        state: supervisor's; None when the daemon runs elsewhere.
    """
    cure = f"`stock-assets up {DAEMON}`; its log is {settings.local_dir / 'logs' / f'{DAEMON}.log'}."
    if state is not None and state.state != "running":
        return Fact(HEARTBEAT, DAEMON, True, state.state, cure)
    if seen is None or not seen.heartbeats:
        return Fact(HEARTBEAT, DAEMON, True, "it has kept no records yet", cure)
    silent = sorted(name for name, age in seen.heartbeats.items() if age is None)
    if silent:
        return Fact(HEARTBEAT, DAEMON, True, f"no heartbeat yet of {', '.join(silent).lower()}", cure)
    name, age = max(((name, age or 0.0) for name, age in seen.heartbeats.items()), key=lambda entry: entry[1])
    late = age > LONGEST_SILENCE_S
    text = (
        f"last heartbeat of {name.lower()} {duration(age)} ago"
        if late
        else f"its oldest heartbeat is {duration(age)} old"
    )
    return Fact(HEARTBEAT, DAEMON, late, text, cure if late else "", age, "seconds")


def unbuilt(settings: Settings, seen: Orchestration | None, daemon: Fact) -> Fact | None:
    """Why nothing will build stale sessions; None when a build is in flight or will be asked for."""
    if seen is not None and BUILD in seen.in_flight:
        return None
    if daemon.problem:
        return Fact(STALENESS_SENSOR, DAEMON, True, f"{DAEMON}: {daemon.sentence}", daemon.cure)
    assert seen is not None  # a daemon that beats keeps records
    on = {each.name: each for each in seen.instigators}
    sensor = on.get(STALENESS_SENSOR)
    switch = f"Switch it on: http://127.0.0.1:{settings.local.dagster_port}/automation"
    if sensor is None and not settings.dagster.automatic:
        return Fact(SENSOR, STALENESS_SENSOR, True, f"{STALENESS_SENSOR} is off: AUTOMATIC=false", switch)
    if sensor is not None and not sensor.running:
        return Fact(SENSOR, STALENESS_SENSOR, True, f"{STALENESS_SENSOR} is switched off", switch)
    if sensor is not None and sensor.error:
        page = f"See http://127.0.0.1:{settings.local.dagster_port}/automation"
        return Fact(SENSOR, STALENESS_SENSOR, True, f"{STALENESS_SENSOR} fails: {sensor.error}", page)
    failed = next((each for each in seen.failed if each.job == BUILD), None)
    if failed is not None:
        return Fact(
            FAILED, BUILD, True, f"the last build failed: {failed.cause}", f"See {link(settings, failed.run_id)}"
        )
    return None
