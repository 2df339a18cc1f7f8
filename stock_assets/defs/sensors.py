"""state of topics and tables -> run requests.

Belongs here: deciding that a run is due. Sensors only look: no message is read and no row is opened here.
Does not belong here: the work itself (assets).
"""

import json
import time
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import BUILT_KEYS
from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.defs.pacing import Pacing, in_flight, last_end, seconds_to_wait
from stock_assets.defs.partitions import within
from stock_assets.defs.raw_assets import COMPLETENESS, KAFKA_KEYS, RAW_KEYS
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.defs.topic_assets import lag_metadata, read_lags
from stock_assets.domain.errors import TransientError
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.table import Table
from stock_assets.landing.pace import longest_delay_s
from stock_assets.observability.orchestration import UNFINISHED, sessions_title, topic_tag
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import runs_fictional_market

INTERVAL_S = 3
"""Below the daemon's own 5 s loop: with 5 every second look would be missed."""
LONGEST_HOLD_S = 120
"""How long stale sessions wait for drains in flight, whose sessions are then built in the same run."""
FICTIONAL_PACE_S = 900
"""How often the session that goes on is built again when nothing but ticks came, and those of a market that never ends."""
HELD, UP_TO_DATE, ASKED, PACED, UNTIL = "held_since", "up_to_date", "asked", "paced", "until"
"""Of the staleness sensor's cursor: since when it waits for drains; what it saw when all was up to date, when it last asked
for a build, and when it left a session for later, and until when."""


def drain_sensor(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Asks for a drain of the topics that lag, and records their lag on the Kafka assets."""
    pacing = Pacing(settings.landing.min_rows, partial(longest_delay_s, settings))

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
        before = seen.get("waiting_since", {})
        since = {stage: min(before.get(stage, now), now) if stage in waiting else now for stage in lags}
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
        if waiting and (left_s := pacing.seconds_left(waiting, since, now)) > 0:
            reason = f"{total} records wait for {pacing.min_rows} or for {left_s:.0f} s"
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
                since = dict.fromkeys(since, now)
        cursor = json.dumps({"lags": lags, "waiting_since": since, "stopped": stopped, "resumed": resumed})
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
        seen, now = seen_before(context.cursor), time.time()
        if drain := in_flight(context.instance, DRAIN.name):
            held = seen.get(HELD, now)
            if now - held < LONGEST_HOLD_S:  # what it lands is built together
                return _skip(f"drain {drain[:8]} is in flight", seen | {HELD: held})
        judging = Judging.of(settings)
        target = settings.snowflake.target
        versions = table_versions(lake.root, target, judging)
        if seen.get(UP_TO_DATE) == versions:
            return dg.SkipReason("no table changed since everything was up to date")
        if seen.get(PACED) == versions and now < seen[UNTIL]:
            return dg.SkipReason(f"a session that goes on is built again in {seen[UNTIL] - now:.0f} s")
        stale = stale_sessions(lake.root, target, partitions, judging)
        if not stale:
            return _skip("everything is up to date", {UP_TO_DATE: versions, ASKED: versions})
        wait = seconds_to_wait(context.instance, BUILD.name, now)
        if wait:
            return dg.SkipReason(f"{len(stale)} sessions are stale; the last build failed, next one in {wait:.0f} s")
        first, last = stale[0], stale[-1]
        alone = runs_fictional_market(settings) and first == last == datetime.fromtimestamp(now, EXCHANGE_ZONE).date()
        if alone and only_ticks_came(seen.get(ASKED), versions):
            until = last_end(context.instance, BUILD.name) + FICTIONAL_PACE_S
            if now < until:
                paced = {ASKED: seen[ASKED], PACED: versions, UNTIL: until}
                return _skip(f"the session of {last} goes on; it is built again in {until - now:.0f} s", paced)
        request = dg.RunRequest(
            partition_key=build_partition(last), run_config=build_config(first, last), tags=build_tags(first, last)
        )
        return dg.SensorResult(run_requests=[request], cursor=json.dumps({ASKED: versions}))

    return _staleness_sensor


def seen_before(cursor: str | None) -> dict[str, Any]:
    """What the last looks left; nothing of a cursor that an earlier release wrote."""
    try:
        found = json.loads(cursor or "{}")
    except json.JSONDecodeError:
        return {}
    return {name: found[name] for name in (HELD, UP_TO_DATE, ASKED, PACED, UNTIL) if name in found}


def _skip(reason: str, seen: dict[str, Any]) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=json.dumps(seen))


def only_ticks_came(asked: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    """Whether ticks are all that changed since a build was asked for; what a build itself writes does not count."""
    from stock_assets.domain.tables import RAW_TICKS

    expected = {RAW_TICKS.path, *(table.path for table in written_by_builds())}
    return asked is not None and all(asked.get(name) == now[name] for name in now if name not in expected)


def stale_sessions(
    lake_root: str, target: str, partitions: dg.DailyPartitionsDefinition, judging: Judging
) -> list[date]:
    """Sessions that some stage below raw must build again."""
    from stock_assets.quality.state import stale_stages

    by_stage = stale_stages(lake_root, target, judging)
    return within(partitions, {day for key in BUILT_KEYS for day in by_stage["/".join(key.path)]})


def table_versions(lake_root: str, target: str, judging: Judging) -> dict[str, Any]:
    """Delta versions of all tables that staleness depends on, and what else it does; equal: nothing happened."""
    from stock_assets.domain import stages, tables
    from stock_assets.lake.tables import table_version
    from stock_assets.quality.state import newest_phase

    watched = (*tables.RAW_TABLES.values(), *written_by_builds())
    versions = {table.path: table_version(lake_root, table) for table in watched}
    rules = {stage: stages.rules_of(stage) for stage in stages.STAGES}
    return {"rules": rules, "judging": judging.digest, "today": newest_phase(), "target": target, **versions}


def written_by_builds() -> tuple[Table, ...]:
    """The watched tables that a build writes."""
    from stock_assets.domain import quality_tables, state_tables, tables

    return tables.DAILY_BARS, quality_tables.RECONCILIATION, tables.DAILY_METRICS, state_tables.BUILT_FROM


def failure_sensor(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Says in the daemon's log what failed, in one line; the place to connect a pager."""

    @dg.run_failure_sensor(name="failure_sensor", default_status=status, minimum_interval_seconds=INTERVAL_S)
    def _failure_sensor(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        context.log.error(
            f"run {run.run_id[:8]} of {run.job_name} {sessions_title(run)} failed: {context.failure_event.message}"
        )

    return _failure_sensor
