"""Dagster's records -> what its runs, daemon and sensors are doing.

Belongs here: opening the instance, also beside a running daemon, and reading from it what facts are made of. The one module
of this package that imports Dagster; others import it when they need it.
Does not belong here: what of it is a problem (``runs``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from stock_assets.lake.tables import open_table
from stock_assets.landing.commit import LANDING_ID
from stock_assets.local.dagster import instance_home
from stock_assets.observability.runs import COMPLETENESS, DRAIN, SESSIONS_TAG, FailedRun, Instigator, Orchestration
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TOPICS

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
BY_HAND = "__ASSET_JOB"
"""Dagster's name for the job of assets that somebody materializes."""
LOOKED_AT = 100
"""Failed runs that are looked at, newest first."""
COUNTED = 20
HISTORY_COMMITS = 100
_ASKED_BY = ("dagster/sensor_name", "dagster/schedule_name")


def topic_tag(stage: str) -> str:
    """Tag of the drains that land the topic of a stage."""
    return f"stock_assets/drains_{stage}"


def look(settings: Settings) -> Orchestration | None:
    """What the instance of these settings tells now; None when there is none yet."""
    with opened(settings) as instance:
        return None if instance is None else observed(instance, settings.lake_root)


@contextmanager
def opened(settings: Settings) -> Iterator[dg.DagsterInstance | None]:
    """The instance that the settings name; None when there is none yet."""
    home = instance_home(settings)
    if home is None:
        yield None
        return
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def observed(instance: dg.DagsterInstance, lake_root: str) -> Orchestration:
    """What an open instance tells; the lake says what was landed since a drain failed."""
    now = time.time()
    going_on = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    queued = [record for record in going_on if record.dagster_run.status == dg.DagsterRunStatus.QUEUED]
    oldest = min(queued, key=lambda record: record.create_timestamp, default=None)
    beats, required = instance.get_daemon_heartbeats(), instance.get_required_daemon_types()
    return Orchestration(
        runs=bool(instance.get_run_records(limit=1)),
        failed=list(failed_runs(instance, lake_root)),
        in_flight=frozenset(record.dagster_run.job_name for record in going_on),
        queued=None if oldest is None else (oldest.dagster_run.run_id, now - oldest.create_timestamp.timestamp()),
        heartbeats={name: now - beats[name].timestamp if name in beats else None for name in required},
        instigators=[_instigator(instance, state) for state in instance.all_instigator_state()],
        broken=dict(_proofs(instance)),
    )


def failed_runs(instance: dg.DagsterInstance, lake_root: str) -> Iterator[FailedRun]:
    """For each purpose its newest failed run, unless a success has followed; newest first."""
    seen: set[tuple[str, str]] = set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=[FAILURE]), limit=LOOKED_AT):
        run = record.dagster_run
        purposes = [each for each in _purposes(run) if (run.job_name, each) not in seen]
        if not purposes:
            continue
        seen.update((run.job_name, each) for each in purposes)
        told = causes(instance, run.run_id)
        ended = record.end_time or record.create_timestamp.timestamp()
        for purpose in purposes:
            step = dg.AssetKey(["raw", purpose]).to_python_identifier()
            if run.job_name == DRAIN and purpose and told.keys().isdisjoint({step, ""}):
                continue  # it was the topic beside it that failed
            if not _followed(instance, lake_root, record, purpose, ended):
                own = {step: told[step]} if run.job_name == DRAIN and step in told else told
                yield FailedRun(
                    run.job_name,
                    f"materialization of {purpose}" if run.job_name == BY_HAND else f"{run.job_name} {purpose}".strip(),
                    run.run_id,
                    "; ".join(dict.fromkeys(own.values())),
                    ended,
                    len(failed_in_a_row(instance, run.job_name, _tags(run, purpose))),
                    any(tag in run.tags for tag in _ASKED_BY),
                )


def failed_in_a_row(
    instance: dg.DagsterInstance, job_name: str, tags: Mapping[str, str] | None = None, since: float = 0.0
) -> list[dg.RunRecord]:
    """The runs of a job that failed since its last one that did not, newest first; one that has not ended counts neither way.

    Args:
        tags: of the runs that count.
        since: instant, in seconds since 1970, before which failures count no more.
    """
    found: list[dg.RunRecord] = []
    for record in instance.get_run_records(dg.RunsFilter(job_name=job_name, tags=tags), limit=COUNTED):
        if record.dagster_run.status in UNFINISHED:
            continue
        if record.dagster_run.status != FAILURE or record.create_timestamp.timestamp() < since:
            break
        found.append(record)
    return found


def causes(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """What each failed step says, by its key; under an empty key what the run itself says when no step failed."""
    failed = events_of(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    if not failed:
        said = [event.message or "" for event in events_of(instance, run_id, dg.DagsterEventType.RUN_FAILURE)]
        return {"": "; ".join(filter(None, said)) or "it was ended from outside"}
    return {event.step_key: _said(instance, run_id, event) for event in failed}


def _said(instance: dg.DagsterInstance, run_id: str, event: Any) -> str:
    """The sentence of a failed step: what the asset said of itself, else a blocking check, else the innermost error."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error is None:
        return "unknown"
    if data.error.cls_name == "DagsterAssetCheckFailedError":
        checks = [
            each.asset_check_evaluation_data
            for each in events_of(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
        wrong = [f"{each.asset_key.to_user_string()} {each.check_name}: {each.description}"
                 for each in checks if not each.passed and each.severity == dg.AssetCheckSeverity.ERROR]  # fmt: skip
        if wrong:
            return "; ".join(wrong)
    return _innermost(data.error)


def causes_in_one_line(instance: dg.DagsterInstance, run_id: str) -> str:
    """``causes`` as one sentence, each after the name of its step."""
    return "; ".join(f"{step}: {said}" if step else said for step, said in causes(instance, run_id).items())


def sessions_title(run: dg.DagsterRun) -> str:
    """The sessions that a run is about: those it names, else its partition; empty for none."""
    return run.tags.get(SESSIONS_TAG) or run.tags.get("dagster/partition") or ""


def job_title(run: dg.DagsterRun) -> str:
    """The job's name; Dagster's own names for jobs that nobody defined tell a reader nothing."""
    return "materialization" if run.job_name.startswith("__") else run.job_name


def _purposes(run: dg.DagsterRun) -> list[str]:
    """What a run was for: each topic of a drain, the assets that somebody chose; else the job is all there is to say."""
    if run.job_name == DRAIN:
        return [stage for stage in TOPICS if topic_tag(stage) in run.tags] or [""]
    if run.job_name == BY_HAND:
        return [", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))]
    return [""]


def _tags(run: dg.DagsterRun, purpose: str) -> dict[str, str] | None:
    return {topic_tag(purpose): "yes"} if run.job_name == DRAIN and purpose else None


def _followed(instance: dg.DagsterInstance, lake_root: str, record: dg.RunRecord, purpose: str, ended: float) -> bool:
    """Whether its purpose was reached since: by a run, or of a drain by whoever landed the topic."""
    run = record.dagster_run
    if run.job_name == DRAIN and purpose and _landed_at(lake_root, purpose) > ended:
        return True
    wanted = dg.RunsFilter(
        job_name=run.job_name,
        statuses=[SUCCESS],
        tags=_tags(run, purpose),
        created_after=record.create_timestamp,
    )
    later = instance.get_run_records(wanted, limit=LOOKED_AT if run.job_name == BY_HAND else 1)
    if run.job_name != BY_HAND:
        return bool(later)
    return any((run.asset_selection or set()) <= (each.dagster_run.asset_selection or set()) for each in later)


def _landed_at(lake_root: str, stage: str) -> float:
    """When the raw table of a stage got its newest landing, in seconds since 1970; 0 for never."""
    table = open_table(lake_root, TOPICS[stage].table)
    commits = table.history(HISTORY_COMMITS) if table is not None else []
    return max((entry["timestamp"] / 1000 for entry in commits if LANDING_ID in entry), default=0.0)


def _instigator(instance: dg.DagsterInstance, state: Any) -> Instigator:
    """A sensor or schedule by its last evaluation that has ended."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
    ended = next((tick for tick in ticks if tick.status.value != "STARTED"), None)
    error = ended.error if ended is not None and ended.status.value == "FAILURE" else None
    return Instigator(state.name, state.is_running, _innermost(error) if error is not None else "")


def _proofs(instance: dg.DagsterInstance) -> Iterator[tuple[str, str]]:
    for topic in TOPICS.values():
        key = dg.AssetCheckKey(dg.AssetKey(topic.table.path.split("/")), COMPLETENESS)
        record = instance.get_latest_asset_check_evaluation_record(key)
        event = record.event.dagster_event if record is not None and record.event is not None else None
        if event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            yield topic.table.path, "" if found.passed else found.description or "it does not hold"


def _innermost(error: Any) -> str:
    """First line of what was raised: Dagster wraps it."""
    while error.cause is not None:
        error = error.cause
    return (str(error.message).strip().splitlines() or [str(error.cls_name)])[0]


def events_of(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[Any]:
    """A run's events of one kind, in order."""
    return [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kind)]
