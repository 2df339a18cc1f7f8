"""tables -> asset checks.

Belongs here: what is checked of which asset, over which sessions, and whether a failure stops what is built from it.
Does not belong here: the rules (``quality``, ``lake.completeness``, ``warehouse.verify``).
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import (
    BUILT_KEYS,
    DAILY_BARS_KEY,
    DAILY_METRICS_KEY,
    MINUTE_BARS_KEY,
    WAREHOUSE_KEY,
)
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.partitions import within
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Warehouse
from stock_assets.domain import tables
from stock_assets.domain.tables import Table
from stock_assets.lake import staleness
from stock_assets.lake.tables import read_sessions
from stock_assets.topic.topics import TOPICS, Topic

QUALITY_TABLES: dict[dg.AssetKey, Table] = {
    **{RAW_KEYS[stage]: table for stage, table in tables.RAW_TABLES.items()},
    MINUTE_BARS_KEY: tables.MINUTE_BARS,
    DAILY_BARS_KEY: tables.DAILY_BARS,
    DAILY_METRICS_KEY: tables.DAILY_METRICS,
}


def asset_checks(partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """All checks."""

    def check(key: dg.AssetKey, name: str, text: str, *, blocking: bool) -> Callable[..., dg.AssetChecksDefinition]:
        return dg.asset_check(asset=key, name=name, description=text, blocking=blocking, partitions_def=partitions)

    def completeness(topic: Topic) -> dg.AssetChecksDefinition:
        text = "For every topic partition: offsets read = accepted + rejected + gaps, contiguous, nothing twice."

        @check(RAW_KEYS[topic.stage], "completeness", text, blocking=True)
        def _completeness(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
            from stock_assets.lake.completeness import prove

            proofs = prove(lake.root, topic, sessions_of(context, RAW_KEYS[topic.stage]) or None)
            broken = [proof for proof in proofs if not proof.holds]
            rows = [
                {
                    "partition": p.partition,
                    "offsets": f"{p.coverage.first} to {p.coverage.following - 1}",
                    "read": p.offsets,
                    "accepted": p.accepted,
                    "rejected": p.rejected,
                    "gaps": p.gaps,
                    "landings": p.landings,
                    "holds": p.holds,
                }
                for p in proofs
            ]
            return dg.AssetCheckResult(
                passed=not broken,
                description="; ".join(map(str, broken)) or "every offset is accounted for exactly once",
                metadata={"equation": markdown_table(rows)},
            )

        return _completeness

    def quality(key: dg.AssetKey, table: Table) -> dg.AssetChecksDefinition:
        text = (
            "Great Expectations: columns, nulls, key, ranges. A warning is shown, a critical breach stops what follows."
        )

        @check(key, "quality", text, blocking=True)
        def _quality(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
            from stock_assets.quality.suites import checked_columns
            from stock_assets.quality.validate import validate

            days = sessions_of(context, key)
            if not days:
                return nothing_to_check()
            raw = table in tables.RAW_TABLES.values()
            rows = read_sessions(lake.root, table, checked_columns(table), days[0], days[-1], accepted_only=raw)
            verdict = validate(table, _of_days(rows, days))
            return dg.AssetCheckResult(
                passed=not verdict.breaches,
                severity=dg.AssetCheckSeverity.ERROR if verdict.critical else dg.AssetCheckSeverity.WARN,
                description="; ".join(map(str, verdict.breaches)) or f"{verdict.expectations} expectations hold",
                metadata={
                    "rows": verdict.rows,
                    "expectations": verdict.expectations,
                    "breaches": len(verdict.breaches),
                },
            )

        return _quality

    def up_to_date(key: dg.AssetKey) -> dg.AssetChecksDefinition:
        stage = "/".join(key.path)

        @check(
            key, "up_to_date", "Built from what its inputs hold now; the sensor asks for what is not.", blocking=False
        )
        def _up_to_date(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
            days = set(sessions_of(context, key))
            stale = [
                day for day in within(partitions, staleness.stale_by_stage(lake.root)[stage]) if not days or day in days
            ]
            return dg.AssetCheckResult(
                passed=not stale,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{len(stale)} sessions are stale: {', '.join(map(str, stale[:10]))}"
                if stale
                else "up to date",
                metadata={"stale_sessions": len(stale)},
            )

        return _up_to_date

    @check(DAILY_BARS_KEY, "session_completeness", "Each symbol of the session before has a bar.", blocking=False)
    def session_completeness(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
        days = sessions_of(context, DAILY_BARS_KEY)
        return _missing_symbols(lake.root, days) if days else nothing_to_check()

    @check(WAREHOUSE_KEY, "matches_lake", "Counts and sums per session equal the lake's.", blocking=False)
    def matches_lake(context: dg.AssetCheckExecutionContext, lake: Lake, warehouse: Warehouse) -> dg.AssetCheckResult:
        from stock_assets.warehouse.verify import differences

        days = sessions_of(context, WAREHOUSE_KEY)
        if not days:
            return nothing_to_check()
        rows = read_sessions(lake.root, tables.DAILY_METRICS, list(tables.DAILY_METRICS.names), days[0], days[-1])
        with warehouse.connect() as connection:
            found = differences(connection, rows, tables.DAILY_METRICS, days[0], days[-1])
        return dg.AssetCheckResult(
            passed=not found,
            description="; ".join(map(str, found[:5])) or f"{rows.num_rows} rows agree",
            metadata={"rows": rows.num_rows, "differences": len(found)},
        )

    @check(WAREHOUSE_KEY, "fresh", "Each symbol has a row for the newest session that the lake holds.", blocking=False)
    def fresh(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
        return _freshness(lake.root)

    return [
        *(completeness(topic) for topic in TOPICS.values()),
        *(quality(key, table) for key, table in QUALITY_TABLES.items()),
        *(up_to_date(key) for key in BUILT_KEYS),
        session_completeness,
        matches_lake,
        fresh,
    ]


def sessions_of(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> list[date]:
    """The sessions a check is about: the run's partitions, or those that the run materialized."""
    run = context.op_execution_context
    if run.has_partition_key or run.has_partition_key_range:
        return [date.fromisoformat(name) for name in run.partition_keys]
    entries = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries]
    found = {event.partition for event in events if event and event.asset_key == key and event.partition}
    return sorted(date.fromisoformat(name) for name in found)


def nothing_to_check() -> dg.AssetCheckResult:
    """The run built no session of the asset."""
    return dg.AssetCheckResult(passed=True, description="the run built no session")


def _of_days(rows: Any, days: Iterable[date]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows["trading_day"], value_set=pa.array(days, pa.date32())))


def _missing_symbols(lake_root: str, days: list[date]) -> dg.AssetCheckResult:
    """Symbols that vanish from one session to the next, without regard to the source of their bars."""
    from stock_assets.domain import sessions

    known = sessions.all_sessions()
    before = known[max(0, known.index(days[0]) - 1)]
    rows = read_sessions(lake_root, tables.DAILY_BARS, ["trading_day", "symbol"], before, days[-1])
    symbols: dict[date, set[str]] = {}
    for row in rows.to_pylist():
        symbols.setdefault(row["trading_day"], set()).add(row["symbol"])
    missing = []
    for day in days:
        previous = symbols.get(known[known.index(day) - 1], set())
        missing += [{"session": day, "symbol": symbol} for symbol in sorted(previous - symbols.get(day, set()))]
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(missing)} symbols of the session before have no bar" if missing else "no symbol is missing",
        metadata={"missing": markdown_table(missing[:50])},
    )


def _freshness(lake_root: str) -> dg.AssetCheckResult:
    """Compare sessions, not clocks: holidays and half days are no delay, and old history is not late."""
    raw = staleness.raw_state(lake_root).fingerprints
    loaded = staleness.built_from(lake_root, staleness.WAREHOUSE)
    if not raw:
        return nothing_to_check()
    newest, reached = max(raw), max(loaded, default=None)
    rows = read_sessions(lake_root, tables.DAILY_METRICS, ["symbol", "trading_day"], date.min, date.max)
    behind = []
    for row in rows.group_by("symbol").aggregate([("trading_day", "max")]).sort_by("symbol").to_pylist():
        if row["trading_day_max"] < newest:
            behind.append({"symbol": row["symbol"], "newest session": row["trading_day_max"]})
    return dg.AssetCheckResult(
        passed=reached == newest and not behind,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"raw holds {newest}, the warehouse {reached}; {len(behind)} symbols are behind",
        metadata={"behind": markdown_table(behind[:50])},
    )
