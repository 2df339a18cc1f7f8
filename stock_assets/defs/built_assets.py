"""raw tables -> bars -> metrics -> warehouse, as Dagster assets.

Belongs here: which sessions each stage builds in a run, and what it reports.
Does not belong here: how they are built (``spark``, ``warehouse``) and when (``sensors``).

A run with a range in its config (the staleness sensor's) builds what is stale within it and reports each session; a run
of partitions alone (the UI, a backfill) builds those sessions whether stale or not. Either way one call builds a range.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, RETRIES_ON_SPARK, tells_failures
from stock_assets.defs.imports import import_meanwhile
from stock_assets.defs.materializations import report_sessions
from stock_assets.defs.metadata import OWNERS, definition_metadata, markdown_table, sparkline
from stock_assets.defs.partitions import asked_sessions, within
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Spark, Warehouse
from stock_assets.domain import sessions
from stock_assets.domain.stages import loaded_into
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake import staleness
from stock_assets.lake.built import built_from, made_by_other_rules, record_built
from stock_assets.lake.fingerprints import GONE, Fingerprints, fingerprints
from stock_assets.lake.tables import count_rows, has_rows, is_current, open_to_write, read_sessions, table_version
from stock_assets.quality.judging import Judging
from stock_assets.release import release
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    from spark.jobs import StageReport

MINUTE_BARS_KEY = dg.AssetKey(["bars", "minute_bars"])
DAILY_BARS_KEY = dg.AssetKey(["bars", "daily_bars"])
DAILY_METRICS_KEY = dg.AssetKey(["metrics", "daily_metrics"])
WAREHOUSE_KEY = dg.AssetKey(["warehouse", "daily_stock_metrics"])
RECONCILIATION_KEY = dg.AssetKey(["quality", "reconciliation"])
AVAILABILITY_KEY = dg.AssetKey(["quality", "availability"])
BUILT_KEYS = [
    MINUTE_BARS_KEY, DAILY_BARS_KEY, RECONCILIATION_KEY, AVAILABILITY_KEY, DAILY_METRICS_KEY, WAREHOUSE_KEY
]  # fmt: skip


JUDGED_AGAIN = timedelta(days=14)
"""For how long a session may become complete without a change of its metrics, by another verdict alone."""


class Range(dg.Config):
    """Build what is stale among these sessions (YYYY-MM-DD); without them, the run's partitions, stale or not."""

    first: str | None = None
    last: str | None = None

    def holds(self, day: date) -> bool:
        """Whether the day lies within."""
        return (not self.first or day.isoformat() >= self.first) and (not self.last or day.isoformat() <= self.last)


def built_asset(
    partitions: dg.DailyPartitionsDefinition,
    key: dg.AssetKey,
    table: Table,
    deps: list[dg.AssetKey],
    kinds: set[str],
    text: str,
    **given: Any,
) -> Any:
    """The decorator of an asset that is built per session: a range of them in one run, one run at a time."""
    asset = dg.asset(
        key=key,
        deps=deps,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES_ON_SPARK if "spark" in kinds else RETRIES,
        pool="_".join(key.path),
        description=text,
        group_name=key.path[0],
        kinds=kinds,
        owners=OWNERS,
        metadata=definition_metadata(table, "/".join(key.path)),
        **given,
    )
    return lambda body: asset(tells_failures(body))


def built_assets(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """The four stages of the data below raw.

    Where agreement is required, metrics come after the reconciliation: they leave out what it says vendors disagree about.
    """
    required = [RECONCILIATION_KEY] if settings.quality.require_agreement else []

    stage = partial(built_asset, partitions)
    delta = {"spark", "deltalake"}

    @stage(MINUTE_BARS_KEY, MINUTE_BARS, list(RAW_KEYS.values()), delta, "One row per symbol, minute and source.")
    def minute_bars(context: dg.AssetExecutionContext, config: Range, lake: Lake, spark: Spark) -> Iterator[Any]:
        import_meanwhile("great_expectations", "dagster_snowflake")
        for raw in RAW_TABLES.values():
            open_to_write(lake.root, raw)  # as this release writes them, whether or not anything is landed
        yield from _build_bars(context, config, partitions, lake, spark, MINUTE_BARS, "build_minute_bars")

    @stage(
        DAILY_BARS_KEY,
        DAILY_BARS,
        [MINUTE_BARS_KEY, *RAW_KEYS.values()],
        delta,
        "One row per symbol, session and source: built from ticks, from minutes, and each vendor's own; as traded.",
    )
    def daily_bars(context: dg.AssetExecutionContext, config: Range, lake: Lake, spark: Spark) -> Iterator[Any]:
        yield from _build_bars(context, config, partitions, lake, spark, DAILY_BARS, "build_daily_bars")

    @stage(
        DAILY_METRICS_KEY,
        DAILY_METRICS,
        [DAILY_BARS_KEY, RAW_KEYS["actions"], *required],
        delta,
        "One row per symbol and session, in the session's own basis. A changed bar makes the symbol's later rows stale too.",
    )
    def daily_metrics(context: dg.AssetExecutionContext, config: Range, lake: Lake, spark: Spark) -> Iterator[Any]:
        from stock_assets.quality.state import refused

        judging = Judging.of(settings)
        without = refused(lake.root, judging)
        now = staleness.daily_bars_state(lake.root, without, judging.renames)
        days, forced = sessions_to_build(context, config, partitions, lake.root, now, DAILY_METRICS.path)
        from spark.jobs import build_daily_metrics

        # By other rules the same bars give other rows, and no stored row tells.
        recomputed = days if forced else made_by_other_rules(lake.root, DAILY_METRICS.path, days)
        first, last = (recomputed[0], recomputed[-1]) if recomputed else (None, None)
        session = spark.session(count_rows(lake.root, DAILY_BARS))
        sources = settings.market.bar_sources
        report = build_daily_metrics(session, lake.root, sources, first, last, without, judging.renames)
        record_built(lake.root, DAILY_METRICS.path, {day: now.get(day, GONE) for day in days})
        yield from _report_build(context, lake, DAILY_METRICS, partitions, days, report)

    @stage(
        WAREHOUSE_KEY,
        DAILY_METRICS,
        [DAILY_METRICS_KEY],
        {"snowflake"},
        "STOCKMARKETBATCH.PUBLIC.DAILY_STOCK_METRICS: staged and merged, all stale sessions in one transaction.",
    )
    def daily_stock_metrics(
        context: dg.AssetExecutionContext, config: Range, lake: Lake, warehouse: Warehouse
    ) -> Iterator[Any]:
        from stock_assets.lake.milestones import record_complete
        from stock_assets.warehouse.audit import Origin
        from stock_assets.warehouse.load import load_sessions
        from stock_assets.warehouse.set_up import set_up
        from stock_assets.warehouse.verify import TOLD_BY, altered_sessions

        stage = loaded_into(settings.snowflake.target)
        origin = Origin(context.run.run_id, table_version(lake.root, DAILY_METRICS))
        now = staleness.metrics_state(lake.root)
        # Whatever range was asked for: a changed bar reaches the rows of all later sessions.
        everything = Range(first=config.first and str(settings.dagster.first_session))
        days, _ = sessions_to_build(context, everything, partitions, lake.root, now, stage)
        totals = {"inserted": 0, "updated": 0, "deleted": 0, "unchanged": 0}
        loaded: dict[date, int] = {}
        tag = {"run": context.run.run_id, "asset": "/".join(WAREHOUSE_KEY.path), "version": release()}
        if days:
            tag |= {"first_session": str(days[0]), "last_session": str(days[-1])}
        with warehouse.connect(tag) as connection:
            set_up(connection, settings.snowflake)
            # The target itself says what it lacks, should it have been emptied or restored.
            held = read_sessions(lake.root, DAILY_METRICS, ["trading_day", *TOLD_BY])
            altered = altered_sessions(connection, held, DAILY_METRICS, built_from(lake.root, stage).keys())
            days = sorted({*days, *within(partitions, altered)})
            if days:
                names = list(DAILY_METRICS.names)
                rows = read_sessions(lake.root, DAILY_METRICS, names, days[0], days[-1], days=days)
                report = load_sessions(connection, rows, DAILY_METRICS, days, origin)
                totals = {name: getattr(report, name) for name in totals}
                loaded = {entry["values"]: entry["counts"] for entry in rows["trading_day"].value_counts().to_pylist()}
        record_built(lake.root, stage, {day: now.get(day, GONE) for day in days})
        record_complete(lake.root, _loaded(lake.root, stage, now, days), datetime.now(UTC))
        context.log.info(f"{len(days)} sessions: {totals}")
        yield from report_sessions(context, days, loaded, totals, {})

    return [minute_bars, daily_bars, daily_metrics, daily_stock_metrics]


def _loaded(lake_root: str, stage: str, now: Fingerprints, days: list[date]) -> set[date]:
    """Of the sessions of this run and the newest ones, those of which the warehouse holds what metrics say now."""
    built, recent = built_from(lake_root, stage), datetime.now(UTC).date() - JUDGED_AGAIN
    return {day for day in now if (day in days or day >= recent) and built.get(day) == now[day]}


def _build_bars(
    context: dg.AssetExecutionContext,
    config: Range,
    partitions: dg.DailyPartitionsDefinition,
    lake: Lake,
    spark: Spark,
    table: Table,
    build: str,
) -> Iterator[Any]:
    from spark import jobs

    raw = staleness.raw_state(lake.root)
    now = fingerprints(table.path, raw.inputs)
    days, _ = sessions_to_build(context, config, partitions, lake.root, now, table.path)
    report, without = jobs.StageReport({}, [], 0.0), raw.without(lake.root, days)
    if days and not _stays_empty(lake.root, table, days, without):
        report = getattr(jobs, build)(
            spark.session(sum(raw.count_rows(first, last) for first, last in sessions.contiguous_ranges(days))),
            lake.root,
            days[0],
            days[-1],
            raw_ticks_version=raw.ticks_version,
            raw_bars_version=raw.bars_version,
            raw_actions_version=raw.actions_version,
            days=days,
            without=without,
        )
    record_built(lake.root, table.path, {day: now.get(day, GONE) for day in days})
    yield from _report_build(context, lake, table, partitions, days, report)


def _stays_empty(lake_root: str, table: Table, days: list[date], without: set[str]) -> bool:
    """Whether minute bars have nothing to be built from and none are stored: Spark would take seconds to find that out."""
    if table is not MINUTE_BARS or without != {"ticks", "minutes"}:
        return False
    return is_current(lake_root, table) and not has_rows(lake_root, table, days)


def sessions_to_build(
    context: dg.AssetExecutionContext,
    config: Range,
    partitions: dg.DailyPartitionsDefinition,
    lake_root: str,
    now: Fingerprints,
    stage: str,
) -> tuple[list[date], bool]:
    """The sessions to build, and whether they were asked for rather than stale."""
    asked = asked_sessions(context)
    if asked is not None and config.first is None and config.last is None:
        return asked, True
    stale = staleness.stale_sessions(now, built_from(lake_root, stage))
    return [day for day in within(partitions, stale) if config.holds(day)], False


def _report_build(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: Table,
    partitions: dg.DailyPartitionsDefinition,
    days: list[date],
    report: "StageReport",
) -> Iterator[Any]:
    """One materialization per session built, and per later session whose rows changed with it."""
    symbols = sorted({symbol for symbol, _ in report.changed})
    context.log.info(
        f"{table.path}: {len(days)} sessions, {sum(report.rows.values())} rows and {report.withheld} withheld, "
        f"{len(report.changed)} changed, {report.seconds:.1f} s"
    )
    summary = {
        "changed_rows": len(report.changed),
        "changed_symbols": ", ".join(symbols[:20]) or "none",
        "withheld_rows": report.withheld,
        "seconds": report.seconds,
    }
    built = sorted({*days, *within(partitions, (day for _, day in report.changed))})
    shown = [day for day in built if day in report.rows]
    preview = _preview(lake.root, table, shown[-1]) if shown else {}
    yield from report_sessions(context, built, report.rows, summary, preview)


def _preview(lake_root: str, table: Table, day: date) -> dict[str, Any]:
    """The first rows of a session, and a plot of its closes where it has many."""
    rows = read_sessions(lake_root, table, list(table.names), day, day).sort_by(
        [(name, "ascending") for name in table.key]
    )
    shown = [
        name for name in table.names if name not in ("year", "repeats", "bars_used", "bars_revision", "actions_used")
    ]
    preview: dict[str, Any] = {"preview": markdown_table(rows.slice(0, 8).to_pylist(), shown[:14])}
    if table is MINUTE_BARS and rows.num_rows:
        symbol = rows["symbol"][0].as_py()
        closes = [
            float(row["close"]) for row in rows.to_pylist() if row["symbol"] == symbol and row["phase"] == "regular"
        ]
        preview["close_by_minute"] = f"{symbol} {sparkline(closes[::8])}"
    return preview
