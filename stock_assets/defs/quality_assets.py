"""daily bars -> what vendors agree on and how available each cell is, as Dagster assets.

Belongs here: which sessions are reconciled and judged in a run, and what it says of them.
Does not belong here: the verdicts (``domain``) and where their evidence is (``lake``).

Both are written by delta-rs in this process, no Spark is asked. They run in the build of the sessions they are about.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import (
    AVAILABILITY_KEY,
    DAILY_BARS_KEY,
    RECONCILIATION_KEY,
    Range,
    built_asset,
    sessions_to_build,
)
from stock_assets.defs.materializations import report_sessions
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.partitions import asked_sessions
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake
from stock_assets.domain.availability import AVAILABILITIES
from stock_assets.domain.quality_tables import AVAILABILITY, RECONCILIATION
from stock_assets.domain.reconciliation import VERDICTS
from stock_assets.domain.table import Table
from stock_assets.lake.built import record_built
from stock_assets.lake.fingerprints import GONE, Fingerprints
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings

AGREEMENT = "agreement"
SHOWN = 20
Row = dict[str, Any]


def quality_assets(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """Reconciliation and availability."""

    stage, kinds = partial(built_asset, partitions), {"python", "deltalake"}

    @stage(
        RECONCILIATION_KEY,
        RECONCILIATION,
        [DAILY_BARS_KEY],
        kinds,
        "Close and volume of two vendors per symbol and session: agreed, one missing, not final yet, or disagree.",
        check_specs=[
            dg.AssetCheckSpec(
                AGREEMENT,
                asset=RECONCILIATION_KEY,
                partitions_def=partitions,
                description="The vendors agree on close and volume, within the tolerances; a difference is only shown.",
            )
        ],
    )
    def reconciliation(context: dg.AssetExecutionContext, config: Range, lake: Lake) -> Iterator[Any]:
        from stock_assets.quality.reconciliation import reconcile
        from stock_assets.quality.state import reconciliation_state

        judging = Judging.of(settings)
        now = reconciliation_state(lake.root, judging)
        days, _ = sessions_to_build(context, config, partitions, lake.root, now, RECONCILIATION.path)
        rows = reconcile(lake.root, days, judging)
        changed = store_rows(lake.root, RECONCILIATION, rows, days, now)
        counts = Counter(row["verdict"] for row in rows)
        shared: dict[str, Any] = {"changed_sessions": len(changed), **{name: counts[name] for name in VERDICTS}}
        apart = [row for row in rows if row["verdict"] == "disagree"]
        yield from report_sessions(
            context, days, told_sessions(context, rows, changed), shared, preview_rows(apart or rows)
        )
        yield _agreement(rows)

    @stage(
        AVAILABILITY_KEY,
        AVAILABILITY,
        [RECONCILIATION_KEY, DAILY_BARS_KEY, RAW_KEYS["ticks"], RAW_KEYS["bars"], RAW_KEYS["actions"]],
        kinds,
        "Each symbol and session: available, corrected, partial, degraded, missing or legitimately empty, and why.",
    )
    def availability(context: dg.AssetExecutionContext, config: Range, lake: Lake) -> Iterator[Any]:
        from stock_assets.lake.milestones import record_judged
        from stock_assets.lake.tables import read_sessions
        from stock_assets.quality.availability import former_table, judge_sessions
        from stock_assets.quality.state import availability_state

        judging, instant = Judging.of(settings), datetime.now(UTC)
        now = availability_state(lake.root, judging, now=instant)
        days, _ = sessions_to_build(context, config, partitions, lake.root, now, AVAILABILITY.path)
        rows: list[Row] = []
        if upgrade := former_table(lake.root):
            context.log.info(upgrade)
        if days:
            columns = list(RECONCILIATION.names)
            stored = read_sessions(lake.root, RECONCILIATION, columns, days[0], days[-1]).to_pylist()
            rows = judge_sessions(lake.root, days, judging, stored, instant)
        changed = store_rows(lake.root, AVAILABILITY, rows, days, now)
        record_judged(lake.root, days, instant)
        counts = Counter(row["availability"] for row in rows)
        context.log.info(", ".join(f"{counts[name]} {name}" for name in AVAILABILITIES))
        shared: dict[str, Any] = {"changed_sessions": len(changed), **{name: counts[name] for name in AVAILABILITIES}}
        unusual = [row for row in rows if row["availability"] != "available"]
        # A session that nothing is there of is in the table, but nothing of it was materialized.
        there = {row["trading_day"] for row in rows if row["availability"] not in ("missing", "empty")}
        told = told_sessions(context, rows, there.intersection(changed))
        yield from report_sessions(context, days, told, shared, preview_rows(unusual or rows))

    return [reconciliation, availability]


def store_rows(lake_root: str, table: Table, rows: list[Row], days: list[date], now: Fingerprints) -> list[date]:
    """Store a stage's rows where they differ, and what they were made of; returns the sessions in which they did."""
    from stock_assets.lake.session_rows import replace_rows

    changed = replace_rows(lake_root, table, rows, days)
    record_built(lake_root, table.path, {day: now.get(day, GONE) for day in days})
    return changed


def told_sessions(context: dg.AssetExecutionContext, rows: list[Row], changed: Collection[date]) -> dict[date, int]:
    """Rows per session that is told to Dagster: an event takes longer than judging its session, so only what changed."""
    told = {*changed, *(asked_sessions(context) or [])}
    return dict(Counter(row["trading_day"] for row in rows if row["trading_day"] in told))


def preview_rows(rows: list[Row]) -> dict[str, Any]:
    newest = sorted(rows, key=lambda row: (row["trading_day"], row["symbol"]))[-SHOWN:]
    shown = [name for name in (rows[0] if rows else {}) if name != "year"]
    return {"preview": markdown_table(newest, shown)}


def _agreement(rows: list[Row]) -> dg.AssetCheckResult:
    """A warning that names symbol, session and numbers; that one vendor has no bar is counted, and is none."""
    from stock_assets.quality.reconciliation import difference

    apart = [row for row in rows if row["verdict"] == "disagree"]
    named = [f"{row['symbol']} {row['trading_day']}: {difference(row)}" for row in apart]
    counts = Counter(row["verdict"] for row in rows)
    text = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    more = f" (and {len(named) - 3} more)" if len(named) > 3 else ""
    details = [{"symbol": row["symbol"], "session": row["trading_day"], "difference": difference(row)} for row in apart]
    return dg.AssetCheckResult(
        check_name=AGREEMENT,
        asset_key=RECONCILIATION_KEY,
        passed=not apart,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(named[:3]) + more if apart else text or "there was nothing to compare",
        metadata={"details": markdown_table(details[:50])} if details else {},
    )
