"""state of topics and tables -> run requests.

Belongs here: deciding that a run is due. Sensors only look: no message is read and no row is opened here.
Does not belong here: the work itself (assets).
"""

import json
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import BUILT_KEYS
from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.defs.pacing import Pacing, in_flight, seconds_to_wait
from stock_assets.defs.partitions import within
from stock_assets.defs.raw_assets import COMPLETENESS, KAFKA_KEYS, RAW_KEYS
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.defs.topic_assets import lag_metadata, read_lags
from stock_assets.domain.errors import TransientError
from stock_assets.observability.orchestration import UNFINISHED, sessions_title, topic_tag
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings

INTERVAL_S = 3
"""Below the daemon's own 5 s loop: with 5 every second look would be missed."""
LONGEST_HOLD_S = 120
"""How long stale sessions wait for drains in flight, whose sessions are then built in the same run."""
HELD = "held since "


def drain_sensor(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Asks for a drain of the topics that lag, and records their lag on the Kafka assets."""
    pacing = Pacing(settings.landing.min_rows, settings.landing_max_delay_s)

    @dg.sensor(
        name="drain_sensor",
        job=DRAIN,
        minimum_interval_seconds=INTERVAL_S,
        default_status=status,
        description="Compares what the broker holds with what the raw tables hold; never reads a message.",
    )
    def _drain_sensor(context: dg.SensorEvaluationContext, lake: Lake, kafka: Kafka) -> Any:
        busy = _busy(context.instance)
        if busy == set(RAW_KEYS):
            return dg.SkipReason("a drain of every topic is in flight")
        from stock_assets.topic.leadership import somebody_leads

        try:
            if somebody_leads(kafka.broker):
                return dg.SkipReason("the continuous landing is at work")
            lags = read_lags(lake.root, kafka.broker)
        except TransientError as away:
            return dg.SkipReason(str(away))
        seen: dict[str, Any] = json.loads(context.cursor or "{}")
        observed = [
            dg.AssetObservation(KAFKA_KEYS[stage], metadata=lag_metadata(lag))
            for stage, lag in lags.items()
            if seen.get("lags", {}).get(stage) != lag
        ]
        now = time.time()
        waiting = {stage: lag for stage, lag in lags.items() if isinstance(lag, int) and lag and stage not in busy}
        # What waits now may have come right after the last look that found nothing; a clock that was set back waits no longer.
        since = min(seen.get("since", now), now) if waiting else now
        stopped = {stage: said for stage, said in lags.items() if isinstance(said, str)}
        resumed = seen.get("resumed", {}) | {stage: now for stage in seen.get("stopped", {}) if stage not in stopped}
        # A run of a stopped topic lands nothing; it fails, once, so that the reason is told where failures are looked for.
        requests = [_drain_of(stage) for stage, said in stopped.items() if seen.get("stopped", {}).get(stage) != said]
        total = sum(waiting.values())
        reason = (
            f"drains of {', '.join(sorted(busy))} are in flight"
            if busy
            else "the raw tables hold all that the topics hold"
        )
        if waiting and not pacing.due(total, since, now):
            reason = f"{total} records wait for {pacing.min_rows} or for {pacing.max_delay_s - (now - since):.0f} s"
        elif waiting:
            waits = {
                stage: seconds_to_wait(
                    context.instance, DRAIN.name, now, {topic_tag(stage): "yes"}, resumed.get(stage, 0.0)
                )
                for stage in waiting
            }
            reason = "the last drain failed; " + ", ".join(
                f"{stage} again in {wait:.0f} s" for stage, wait in waits.items()
            )
            if due := [stage for stage in waiting if not waits[stage]]:
                # together, as a run costs more than a landing; apart while one of them fails, whose turn is its own
                alone = any(waits.values()) or _failed_last(context.instance, due)
                requests += [_drain_of(stage) for stage in due] if alone else [_drain_of(*due)]
                since = now
        cursor = json.dumps({"lags": lags, "since": since, "stopped": stopped, "resumed": resumed})
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=cursor, asset_events=observed)
        said = "; ".join([*stopped.values(), reason])
        return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=cursor, asset_events=observed)

    return _drain_sensor


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """Stages that a drain in flight lands; of a drain without such tags, which a person started, all."""
    runs = instance.get_runs(dg.RunsFilter(job_name=DRAIN.name, statuses=UNFINISHED))
    landed = [{stage for stage in RAW_KEYS if topic_tag(stage) in run.tags} or set(RAW_KEYS) for run in runs]
    return set().union(*landed)


def _drain_of(*stages: str) -> dg.RunRequest:
    keys = [RAW_KEYS[stage] for stage in stages]
    checks = [dg.AssetCheckKey(key, COMPLETENESS) for key in keys]
    return dg.RunRequest(
        asset_selection=keys, asset_check_keys=checks, tags={topic_tag(stage): "yes" for stage in stages}
    )


def _failed_last(instance: dg.DagsterInstance, stages: Sequence[str]) -> bool:
    """Whether the newest drain of one of these failed."""
    for stage in stages:
        wanted = dg.RunsFilter(job_name=DRAIN.name, tags={topic_tag(stage): "yes"})
        newest = instance.get_run_records(wanted, limit=1)
        if newest and newest[0].dagster_run.status == dg.DagsterRunStatus.FAILURE:
            return True
    return False


def staleness_sensor(
    partitions: dg.DailyPartitionsDefinition, settings: Settings, status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Asks for one build of all stale sessions; what becomes stale meanwhile is the next one's."""

    @dg.sensor(
        name="staleness_sensor",
        job=BUILD,
        minimum_interval_seconds=INTERVAL_S,
        default_status=status,
        description="Compares what bars, metrics and warehouse were built from with what the tables hold now.",
    )
    def _staleness_sensor(context: dg.SensorEvaluationContext, lake: Lake) -> Any:
        running = in_flight(context.instance, BUILD.name)
        if running:
            return dg.SkipReason(f"build {running[:8]} is in flight")
        if drain := in_flight(context.instance, DRAIN.name):
            held = held_since(context.cursor, time.time())
            if time.time() - held < LONGEST_HOLD_S:  # what it lands is built together
                reason = dg.SkipReason(f"drain {drain[:8]} is in flight")
                return dg.SensorResult(skip_reason=reason, cursor=f"{HELD}{held}")
        judging = Judging.of(settings)
        target = settings.snowflake.target
        versions = table_versions(lake.root, target, judging)
        if context.cursor == versions:
            return dg.SkipReason("no table changed since everything was up to date")
        stale = stale_sessions(lake.root, target, partitions, judging)
        if not stale:
            return dg.SensorResult(skip_reason=dg.SkipReason("everything is up to date"), cursor=versions)
        wait = seconds_to_wait(context.instance, BUILD.name, time.time())
        if wait:
            return dg.SkipReason(f"{len(stale)} sessions are stale; the last build failed, next one in {wait:.0f} s")
        first, last = stale[0], stale[-1]
        return dg.RunRequest(
            partition_key=build_partition(last), run_config=build_config(first, last), tags=build_tags(first, last)
        )

    return _staleness_sensor


def held_since(cursor: str | None, now: float) -> float:
    """When the wait for drains began, in seconds since 1970."""
    return float(cursor.removeprefix(HELD)) if cursor and cursor.startswith(HELD) else now


def stale_sessions(
    lake_root: str, target: str, partitions: dg.DailyPartitionsDefinition, judging: Judging
) -> list[date]:
    """Sessions that some stage below raw must build again."""
    from stock_assets.quality.state import stale_stages

    by_stage = stale_stages(lake_root, target, judging)
    return within(partitions, {day for key in BUILT_KEYS for day in by_stage["/".join(key.path)]})


def table_versions(lake_root: str, target: str, judging: Judging) -> str:
    """Delta versions of all tables that staleness depends on, and what else it does; equal text: nothing happened."""
    from stock_assets.domain import quality_tables, stages, state_tables, tables
    from stock_assets.lake.tables import table_version
    from stock_assets.quality.state import newest_phase

    watched = (
        *tables.RAW_TABLES.values(), tables.DAILY_BARS, quality_tables.RECONCILIATION, tables.DAILY_METRICS,
        state_tables.BUILT_FROM,
    )  # fmt: skip
    versions = {table.path: table_version(lake_root, table) for table in watched}
    rules = {stage: stages.rules_of(stage) for stage in stages.STAGES}
    return json.dumps(
        {"rules": rules, "judging": judging.digest, "today": newest_phase(), "target": target, **versions}
    )


def failure_sensor(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Says in the daemon's log what failed, in one line; the place to connect a pager."""

    @dg.run_failure_sensor(name="failure_sensor", default_status=status, minimum_interval_seconds=INTERVAL_S)
    def _failure_sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        context.log.error(
            f"run {run.run_id[:8]} of {run.job_name} {sessions_title(run)} failed: {context.failure_event.message}"
        )

    return _failure_sensor
