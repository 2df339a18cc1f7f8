"""a run's record and its events -> what it did, step by step.

Belongs here: which assets each step was to make and made, over which sessions, with how many rows, and how it ended.
Does not belong here: saying it in OpenLineage's words (``lineage_events``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import dagster as dg

from stock_assets.observability.orchestration import causes, sessions_title

Outcome = Literal["COMPLETE", "FAIL", "ABORT"]
ROWS = "dagster/row_count"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
"""What a step fails with when somebody ends its run."""
_LOOKED_AT = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
}
_OUTCOMES: Mapping[dg.DagsterRunStatus, Outcome] = {
    dg.DagsterRunStatus.SUCCESS: "COMPLETE",
    dg.DagsterRunStatus.FAILURE: "FAIL",
    dg.DagsterRunStatus.CANCELED: "ABORT",
}
Sessions = tuple[date, date]


@dataclass
class Written:
    """What a step wrote of one asset: its sessions, and its rows where the asset tells them."""

    sessions: set[date] = field(default_factory=set)
    rows: int | None = None


@dataclass
class Step:
    """A step that makes assets. ``planned`` it was to make, ``written`` it made; instants in seconds since 1970."""

    key: str
    planned: set[dg.AssetKey]
    written: dict[dg.AssetKey, Written] = field(default_factory=lambda: defaultdict(Written))
    began: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    cause: str = ""

    @property
    def sessions(self) -> Sessions | None:
        """The first and last one it wrote."""
        days = sorted({day for each in self.written.values() for day in each.sessions})
        return (days[0], days[-1]) if days else None


def outcome_of(record: dg.RunRecord) -> Outcome | None:
    """How the run ended; None while it goes on."""
    return _OUTCOMES.get(record.dagster_run.status)


def sessions_of(run: dg.DagsterRun) -> Sessions | None:
    """The first and last session that a run is about, from its tags; None for another run."""
    first, last = (run.tags.get(name) for name in RANGE)
    named = f"{first} to {last}" if first and last else sessions_title(run)
    try:
        days = [date.fromisoformat(day) for day in named.split(" to ")]
    except ValueError:
        return None
    return days[0], days[-1]


def steps_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> list[Step]:
    """The steps of an ended run that make assets and were begun, in the order in which they began."""
    run = record.dagster_run
    found: dict[str, Step] = {}
    once: set[tuple[str, dg.AssetKey]] = set()
    for entry in instance.all_logs(run.run_id, of_type=_LOOKED_AT):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        step = found.setdefault(event.step_key, Step(event.step_key, set()))
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.asset_key is not None:
            step.planned.add(event.asset_key)
        elif event.event_type == dg.DagsterEventType.STEP_START:
            step.began = step.began or entry.timestamp
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            _note(step, event.step_materialization_data.materialization, run, once)
        else:
            step.ended = entry.timestamp
            step.outcome = _outcome_of_step(event)
    begun = [step for step in found.values() if step.began is not None and (step.planned or step.written)]
    said = causes(instance, run.run_id) if outcome_of(record) == "FAIL" else {}
    for step in begun:
        if step.outcome is None:  # its process was ended, with the run or by somebody
            step.outcome, step.ended = outcome_of(record), record.end_time
        if step.outcome == "FAIL":
            step.cause = said.get(step.key) or said.get("", "")
    return sorted(begun, key=lambda step: (step.began, step.key))


def _outcome_of_step(event: Any) -> Outcome:
    if event.event_type == dg.DagsterEventType.STEP_SUCCESS:
        return "COMPLETE"
    error = event.step_failure_data.error
    return "ABORT" if error is not None and error.cls_name in INTERRUPTED else "FAIL"


def _note(step: Step, told: dg.AssetMaterialization, run: dg.DagsterRun, once: set[tuple[str, dg.AssetKey]]) -> None:
    written = step.written[told.asset_key]
    day = _day(told.partition)
    if day is not None:
        written.sessions.add(day)
    rows: Any = told.metadata[ROWS].value if ROWS in told.metadata else None
    if not isinstance(rows, int):
        return
    if day is not None and _within_range(run, day):
        # all partitions of a range carry the metadata of the one result, which counts the rows of all of them
        if (step.key, told.asset_key) in once:
            return
        once.add((step.key, told.asset_key))
    written.rows = (written.rows or 0) + rows


def _within_range(run: dg.DagsterRun, day: date) -> bool:
    first, last = (_day(run.tags.get(name)) for name in RANGE)
    return first is not None and last is not None and first <= day <= last


def _day(partition: str | None) -> date | None:
    try:
        return date.fromisoformat(partition or "")
    except ValueError:
        return None
