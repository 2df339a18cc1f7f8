"""metrics and minute bars -> patterns and anomalies, as Dagster assets.

Belongs here: which sessions are looked at in a run, what it says of them, and when a run is due.
Does not belong here: finding (``quality.patterns``, ``quality.anomalies``), definitions (``domain``).

They have a run of their own, after the build: nothing waits for it, neither the warehouse nor `make demo`. Both are written by
delta-rs in this process, no Spark is asked; TA-Lib is imported by the run alone.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any, Final

import dagster as dg

from stock_assets.defs.built_assets import DAILY_METRICS_KEY, MINUTE_BARS_KEY, Range, built_asset, sessions_to_build
from stock_assets.defs.jobs import BUILD, DRAIN, build_partition, build_tags, range_config
from stock_assets.defs.materializations import report_sessions
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.pacing import in_flight, seconds_to_wait
from stock_assets.defs.partitions import within
from stock_assets.defs.quality_assets import preview_rows, store_rows, told_sessions
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake
from stock_assets.domain.anomalies import KINDS
from stock_assets.domain.finding_tables import ANOMALIES, PATTERNS
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings

PATTERNS_KEY = dg.AssetKey(["live", "patterns"])
ANOMALIES_KEY = dg.AssetKey(["live", "anomalies"])
FOUND_KEYS = [PATTERNS_KEY, ANOMALIES_KEY]
NOTHING_UNUSUAL: Final = "nothing_unusual"
FINDINGS_SENSOR: Final = "findings_sensor"
INTERVAL_S = 10
Row = dict[str, Any]

FINDINGS = dg.define_asset_job(
    "findings",
    selection=dg.AssetSelection.assets(*FOUND_KEYS),
    description="Looks for patterns and anomalies in sessions whose bars changed; asked for by the findings sensor.",
)


def finding_assets(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """Patterns and anomalies."""
    stage, kinds = partial(built_asset, partitions), {"python", "deltalake"}

    @stage(
        PATTERNS_KEY,
        PATTERNS,
        [DAILY_METRICS_KEY],
        kinds | {"talib"},
        "Patterns of daily candles and averages, one row per symbol, session and pattern; a split makes none.",
    )
    def patterns(context: dg.AssetExecutionContext, config: Range, lake: Lake) -> Iterator[Any]:
        from stock_assets.quality.finding_state import patterns_state
        from stock_assets.quality.patterns import patterns_of

        judging = Judging.of(settings)
        now = patterns_state(lake.root, judging)
        days, _ = sessions_to_build(context, config, partitions, lake.root, now, PATTERNS.path)
        rows = patterns_of(lake.root, days, judging.renames)
        changed = store_rows(lake.root, PATTERNS, rows, days, now)
        counts = Counter(row["pattern"] for row in rows)
        shared: dict[str, Any] = {"changed_sessions": len(changed), **counts}
        yield from report_sessions(context, days, told_sessions(context, rows, changed), shared, preview_rows(rows))

    @stage(
        ANOMALIES_KEY,
        ANOMALIES,
        [MINUTE_BARS_KEY, RAW_KEYS["actions"]],
        kinds,
        "Minutes far from what is usual at their time of day: jumps, blocks and suspect prints.",
        check_specs=[
            dg.AssetCheckSpec(
                NOTHING_UNUSUAL,
                asset=ANOMALIES_KEY,
                partitions_def=partitions,
                description="No minute jumps or has a block of shares; what does is named, and stops nothing.",
            )
        ],
    )
    def anomalies(context: dg.AssetExecutionContext, config: Range, lake: Lake) -> Iterator[Any]:
        from stock_assets.quality.finding_state import anomalies_of, anomalies_state

        now = anomalies_state(lake.root)
        days, _ = sessions_to_build(context, config, partitions, lake.root, now, ANOMALIES.path)
        rows = anomalies_of(lake.root, days)
        changed = store_rows(lake.root, ANOMALIES, rows, days, now)
        counts = Counter(row["kind"] for row in rows)
        shared: dict[str, Any] = {"changed_sessions": len(changed), **{kind: counts[kind] for kind in KINDS}}
        yield from report_sessions(context, days, told_sessions(context, rows, changed), shared, preview_rows(rows))
        yield _unusual(rows, len(days))

    return [patterns, anomalies]


def findings_sensor(
    partitions: dg.DailyPartitionsDefinition, settings: Settings, status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Asks for one run about all sessions whose findings are stale, once nothing is landed or built."""

    @dg.sensor(
        name=FINDINGS_SENSOR,
        job=FINDINGS,
        minimum_interval_seconds=INTERVAL_S,
        default_status=status,
        description="Compares what patterns and anomalies were made of with what the tables hold now.",
    )
    def _findings_sensor(context: dg.SensorEvaluationContext, lake: Lake) -> Any:
        for job in (FINDINGS, DRAIN, BUILD):
            if running := in_flight(context.instance, job.name):
                return dg.SkipReason(f"{job.name} {running[:8]} is in flight")
        judging = Judging.of(settings)
        seen = _versions(lake.root, judging)
        if context.cursor == seen:
            return dg.SkipReason("no table changed since everything was up to date")
        stale = stale_sessions(lake.root, partitions, judging)
        if not stale:
            return dg.SensorResult(skip_reason=dg.SkipReason("everything is up to date"), cursor=seen)
        if wait := seconds_to_wait(context.instance, FINDINGS.name, time.time()):
            return dg.SkipReason(f"{len(stale)} sessions are stale; the last run failed, next one in {wait:.0f} s")
        first, last = stale[0], stale[-1]
        return dg.RunRequest(
            partition_key=build_partition(last), run_config=findings_config(first, last), tags=build_tags(first, last)
        )

    return _findings_sensor


def findings_config(first: date, last: date) -> dict[str, Any]:
    """Run configuration of ``findings`` for the sessions from ``first`` to ``last``."""
    return range_config(FOUND_KEYS, first, last)


def stale_sessions(lake_root: str, partitions: dg.DailyPartitionsDefinition, judging: Judging) -> list[date]:
    """Sessions that must be looked at again."""
    from stock_assets.quality.finding_state import stale_findings

    return within(partitions, {day for days in stale_findings(lake_root, judging).values() for day in days})


def _versions(lake_root: str, judging: Judging) -> str:
    """Delta versions of all tables that findings depend on, and what else they do; equal text: nothing happened."""
    from stock_assets.domain import stages, state_tables, tables
    from stock_assets.lake.tables import table_version

    watched = (tables.RAW_ACTIONS, tables.DAILY_METRICS, state_tables.BUILT_FROM)
    versions = {table.path: table_version(lake_root, table) for table in watched}
    rules = {table.path: stages.rules_of(table.path) for table in (PATTERNS, ANOMALIES)}
    return json.dumps({"rules": rules, "judging": judging.digest, **versions})


def _unusual(rows: list[Row], sessions: int) -> dg.AssetCheckResult:
    """A warning that names symbol, minute and numbers, the farthest first."""
    farthest = sorted(rows, key=lambda row: -abs(row["z"]))
    named = [
        f"{row['symbol']} {row['start_time'].astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M} {row['kind']} (z {row['z']:+.1f})"
        for row in farthest[:3]
    ]
    more = f" (and {len(rows) - 3} more)" if len(rows) > 3 else ""
    return dg.AssetCheckResult(
        check_name=NOTHING_UNUSUAL,
        asset_key=ANOMALIES_KEY,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(named) + more if rows else f"nothing unusual in {sessions} sessions",
        metadata={"details": markdown_table(farthest[:50])} if rows else {},
    )
