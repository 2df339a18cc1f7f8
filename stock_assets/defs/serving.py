"""warehouse tables and marts -> tables for BI tools, as Dagster assets.

Belongs here: the assets, when they are loaded, and the run history that only Dagster's records hold.
Does not belong here: loading (``serving``).

They are loaded in the run that loads and builds what they read. What differs, the load finds out itself, so that a run that
failed or never was needs no repair.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, tells_failures
from stock_assets.defs.marts import LOADED_KEYS, WITH_THE_LOADS, any_of
from stock_assets.defs.metadata import OWNERS, column_lineage, with_origins
from stock_assets.defs.own_runs import run_here
from stock_assets.defs.resources import Warehouse
from stock_assets.observability.orchestration import causes, job_title, sessions_title
from stock_assets.serving.tables import SERVED, Run, Served
from stock_assets.settings.platform import Settings

RUNS = "runs"
ABOUT = {
    "stocks": "Names and sectors of the universe's symbols.",
    "adjustments": "Factors by which prices as traded become adjusted ones.",
    "daily_prices": "Prices of each symbol and session, as traded.",
    "daily_metrics": "Averages, indicators and ranges of each symbol and session.",
    "hourly_bars": "Hourly bars, counted from the session's open.",
    "availability": "How far each symbol's session can be trusted.",
    "symbol_performance": "Returns of each symbol over 1 to 252 sessions.",
    "sector_performance": "Mean returns of each sector.",
    "market_breadth": "How many symbols rose and fell per session.",
    "session_sla": "When each session's data was complete, and whether in time.",
    RUNS: "Dagster's runs, kept for longer than Dagster keeps them.",
}
KEPT_RUNS = 500
"""Runs that a load looks at, newest first."""
_LATER = (
    (dg.AutomationCondition.missing() & ~any_of(LOADED_KEYS, dg.AutomationCondition.missing()))
    | dg.AutomationCondition.execution_failed()
) & dg.AutomationCondition.cron_tick_passed("*/10 * * * *")
WHEN = WITH_THE_LOADS | (_LATER & ~dg.AutomationCondition.in_progress())
"""With the loads; within ten minutes where these were there first, or after a failure."""


def serving_assets() -> dg.AssetsDefinition:
    """The tables for BI tools, loaded in one step and one transaction."""
    specs = [
        dg.AssetSpec(
            ["serving", name],
            deps=deps,
            description=ABOUT[name],
            group_name="serving",
            kinds={"postgres"},
            owners=OWNERS,
            automation_condition=WHEN,
            metadata={"dagster/table_name": f"serving.{name}", **columns},
        )
        for name, deps, columns in [*((each.name, _above(each), _columns(each)) for each in SERVED), (RUNS, [], {})]
    ]

    @dg.multi_asset(name="load_for_serving", specs=specs, retry_policy=RETRIES, pool="serving")
    @tells_failures
    def load_for_serving(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        from stock_assets.serving.connect import connection
        from stock_assets.serving.load import load
        from stock_assets.serving.migrate import migrate

        settings = Settings.load()
        tag = {"run": context.run.run_id, "asset": "load_for_serving"}
        with connection(settings) as database, warehouse.connect(tag) as source, source.cursor() as cursor:
            for applied in migrate(database):
                context.log.info(f"migration {applied}")
            changed = load(database, cursor, runs_of(context.instance), context.run.run_id)
        told = ", ".join(f"{name}: {rows} rows of {sessions} sessions" for name, (rows, sessions) in changed.items())
        context.log.info(told or "nothing differs")
        for spec in specs:
            rows, sessions = changed.get(spec.key.path[-1], (0, 0))
            yield dg.MaterializeResult(
                asset_key=spec.key, metadata={"changed_rows": rows, "changed_sessions": sessions}
            )

    return load_for_serving


def load_now(settings: Settings) -> tuple[dict[str, tuple[int, int]], float]:
    """Load what differs, in this process; rows and sessions by table that changed, and seconds.

    Raises:
        PermanentError: the run failed; the text says why.
    """
    began = time.monotonic()
    done = run_here([serving_assets()], settings)
    changed = {}
    for event in done.get_asset_materialization_events():
        written = event.step_materialization_data.materialization
        rows, sessions = (written.metadata[name].value for name in ("changed_rows", "changed_sessions"))
        if rows and isinstance(rows, int) and isinstance(sessions, int):
            changed[written.asset_key.path[-1]] = (rows, sessions)
    return changed, time.monotonic() - began


def runs_of(instance: dg.DagsterInstance) -> list[Run]:
    """The newest runs."""
    return [_run(instance, record) for record in instance.get_run_records(limit=KEPT_RUNS)]


def _run(instance: dg.DagsterInstance, record: dg.RunRecord) -> Run:
    run = record.dagster_run
    failed = run.status == dg.DagsterRunStatus.FAILURE
    return Run(
        run.run_id,
        job_title(run),
        run.status.value.lower(),
        record.create_timestamp.replace(tzinfo=UTC),
        _instant(record.start_time),
        _instant(record.end_time),
        sessions_title(run),
        "; ".join(causes(instance, run.run_id).values()) if failed else "",
    )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _above(served: Served) -> list[dg.AssetKey]:
    """The assets of the warehouse's tables that it reads; models of dbt are those whose names begin as marts do."""
    return [dg.AssetKey(["marts" if name.startswith("MART_") else "warehouse", name.lower()]) for name in served.reads]


def _columns(served: Served) -> dict[str, Any]:
    """Names of the columns; of a table that has a single source, also where each comes from."""
    above = _above(served)
    origin = "/".join(above[0].path) if len(above) == 1 else ""
    origins = {name: (f"{origin}.{name}",) if origin else () for name in served.columns}
    columns = [dg.TableColumn(name, description=with_origins("", origins[name]) or None) for name in served.columns]
    return {"dagster/column_schema": dg.TableSchema(columns), **column_lineage(origins)}
