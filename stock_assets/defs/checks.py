"""tables -> asset checks.

Belongs here: what Great Expectations checks of which asset, and whether a failure stops what is built from it.
Does not belong here: the rules (``quality``, ``raw.completeness``), checks that stop nothing (``state_checks``).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import (
    DAILY_BARS_KEY,
    DAILY_METRICS_KEY,
    MINUTE_BARS_KEY,
    WAREHOUSE_KEY,
)
from stock_assets.defs.checked_sessions import NOTHING, sessions_of
from stock_assets.defs.failures import tells_failures
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Warehouse
from stock_assets.defs.state_checks import state_check
from stock_assets.domain import tables
from stock_assets.domain.table import Table
from stock_assets.lake.tables import read_sessions
from stock_assets.quality.validate import Breach
from stock_assets.settings.platform import Settings

QUALITY_TABLES: dict[dg.AssetKey, Table] = {
    **{RAW_KEYS[stage]: table for stage, table in tables.RAW_TABLES.items()},
    MINUTE_BARS_KEY: tables.MINUTE_BARS,
    DAILY_BARS_KEY: tables.DAILY_BARS,
    DAILY_METRICS_KEY: tables.DAILY_METRICS,
}
DERIVED = {key: table for key, table in QUALITY_TABLES.items() if table.withholds}
SHOWN_SESSIONS = 300


def asset_checks(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetChecksDefinition]:
    """All checks that run after their asset; raw assets bring their completeness themselves, reconciliation its own."""
    return [
        *(_quality(key, table, partitions) for key, table in QUALITY_TABLES.items()),
        _warehouse_quality(partitions),
        state_check(partitions, settings, DERIVED),
    ]


def _quality(key: dg.AssetKey, table: Table, partitions: dg.DailyPartitionsDefinition) -> dg.AssetChecksDefinition:
    raw = table in tables.RAW_TABLES.values()

    @dg.asset_check(
        asset=key,
        name="quality",
        description=QUALITY_TEXT,
        # The landing lets no bad record into a raw table: there the suite is a second look, after all else.
        blocking=not raw,
        op_tags={"dagster/priority": "-1"} if raw else {},
        partitions_def=partitions,
    )
    @tells_failures
    def quality(context: dg.AssetCheckExecutionContext, lake: Lake) -> dg.AssetCheckResult:
        from stock_assets.quality.suites import checked_columns

        days = sessions_of(context, key)
        if not days:
            return dg.AssetCheckResult(passed=True, description=NOTHING)
        rows = read_sessions(lake.root, table, checked_columns(table), days[0], days[-1], accepted_only=raw)
        return _validated(table, _of_days(rows, days), days, lake.root)

    return quality


def _warehouse_quality(partitions: dg.DailyPartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=WAREHOUSE_KEY, name="quality", description=QUALITY_TEXT, partitions_def=partitions)
    @tells_failures
    def quality(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
        from stock_assets.warehouse.verify import read_sessions_of_warehouse

        days = sessions_of(context, WAREHOUSE_KEY)
        if not days:
            return dg.AssetCheckResult(passed=True, description=NOTHING)
        with warehouse.connect() as connection:
            rows = read_sessions_of_warehouse(connection, tables.DAILY_METRICS, days[0], days[-1])
        return _validated(tables.DAILY_METRICS, _of_days(rows, days))

    return quality


def _validated(table: Table, rows: Any, days: Sequence[date] = (), lake_root: str | None = None) -> dg.AssetCheckResult:
    """The suite's verdict; with a lake it is kept there per session."""
    from stock_assets.quality.results import record_results
    from stock_assets.quality.validate import validate

    verdict = validate(table, rows)
    if lake_root is not None and verdict.rows:
        record_results(lake_root, table, days, rows, verdict, datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=not verdict.breaches,
        severity=dg.AssetCheckSeverity.ERROR if verdict.critical else dg.AssetCheckSeverity.WARN,
        description="; ".join(map(str, verdict.breaches)) or f"{len(verdict.expectations)} expectations hold",
        metadata={
            "rows": verdict.rows,
            "expectations": len(verdict.expectations),
            "breaches": len(verdict.breaches),
            **({"sessions": markdown_table(_per_session(rows, verdict.breaches))} if verdict.rows else {}),
        },
    )


def _per_session(rows: Any, breaches: Iterable[Breach]) -> list[dict[str, Any]]:
    """What was found in each session, those with breaches first, newest first; at most ``SHOWN_SESSIONS``."""
    broken: Counter[date] = Counter()
    for breach in breaches:
        broken.update(breach.of_session)
    counted = {each["values"]: each["counts"] for each in rows["trading_day"].value_counts().to_pylist()}
    found = [{"session": day, "rows": counted[day], "breaches": broken[day]} for day in sorted(counted, reverse=True)]
    return sorted(found, key=lambda each: -each["breaches"])[:SHOWN_SESSIONS]


QUALITY_TEXT = (
    "Great Expectations, of all rows that readers see: columns, nulls, key, ranges. A warning is shown; a critical breach, "
    "which would be a row that should be withheld, stops what follows."
)


def _of_days(rows: Any, days: Iterable[date]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows["trading_day"], value_set=pa.array(days, pa.date32())))
