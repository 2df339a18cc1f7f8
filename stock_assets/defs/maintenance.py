"""tables, records, logs -> nightly compaction and vacuum, and what has expired deleted, as a Dagster job.

Belongs here: when and for which sessions, and what a run says about it. Does not belong here: how files are rewritten
(``raw.compaction``), and which records go (``retention``). Tables of delta-rs are compacted here; those of Spark are Spark's to
compact, and judgements compact themselves. Each is vacuumed by the engine that commits to it.

The job has partitions so that one session can be asked for in the UI; the schedule asks for none, and the run then takes
what needs it. Either way a second run finds nothing left to do.
"""

from datetime import date

import dagster as dg

from stock_assets.defs.failures import tells_failures
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.resources import Lake, Spark
from stock_assets.domain.finding_tables import FINDING_TABLES
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS
from stock_assets.domain.quality_tables import EXPECTATIONS, QUALITY_TABLES
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.state_tables import BUILT_FROM, MILESTONES
from stock_assets.domain.stocks import RENAMES, STOCK_STATEMENTS
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.settings.platform import Settings

KEPT_BY_DELTA_RS = (
    *QUALITY_TABLES,
    *FINDING_TABLES,
    EXPECTATIONS,
    BUILT_FROM,
    MILESTONES,
    STOCK_STATEMENTS,
    RENAMES,
    INTRADAY_WINDOWS,
    LATE_TICKS,
    WINDOW_PROGRESS,
)
"""Tables beside the raw ones whose old versions go."""
BUILT_BY_SPARK = (MINUTE_BARS, DAILY_BARS, DAILY_METRICS)


def maintenance_job(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> dg.JobDefinition:
    """Compacts the run's session, or without one all that need it and then deletes files no longer needed."""

    @dg.op(
        pool="raw_maintenance",
        description="Rewrites small files of the raw tables, and deletes those that no recent version needs.",
    )
    @tells_failures
    def maintain(context: dg.OpExecutionContext, lake: Lake) -> None:
        from stock_assets.quality.results import compact_results
        from stock_assets.raw.compaction import compact, sessions_to_compact, vacuum

        asked = date.fromisoformat(context.partition_key) if context.has_partition_key else None
        report = []
        for table in RAW_TABLES.values():
            days = (
                [asked]
                if asked
                else sessions_to_compact(
                    lake.root, table, settings.lake.compaction_min_files, settings.lake.compaction_target_bytes
                )
            )
            for day in days:
                done = compact(lake.root, table, day, settings.lake.compaction_target_bytes)
                context.log.info(f"{table.path} {day or 'without a session'}: {done.reason}")
                report.append(
                    {
                        "table": table.path,
                        "session": day or "none",
                        "rows": done.rows,
                        "files before": done.files_before,
                        "files after": done.files_after,
                        "outcome": done.reason,
                    }
                )
            if not asked:
                deleted = vacuum(lake.root, table, settings.lake.vacuum_keep_days)
                context.log.info(
                    f"{table.path}: {deleted} files older than {settings.lake.vacuum_keep_days} days were deleted"
                )
                report.append({"table": table.path, "outcome": f"{deleted} files deleted"})
        if not asked:
            compact_results(lake.root)
        for kept in KEPT_BY_DELTA_RS if not asked else ():
            deleted = vacuum(lake.root, kept, settings.lake.vacuum_keep_days)
            report.append({"table": kept.path, "outcome": f"{deleted} files deleted"})
        columns = ["table", "session", "rows", "files before", "files after", "outcome"]
        context.add_output_metadata({"report": markdown_table(report, columns)})

    @dg.op(description="Deletes ended runs and their events, and logs, that are older than the settings say.")
    @tells_failures
    def expire_records(context: dg.OpExecutionContext) -> None:
        from stock_assets.defs.retention import delete_old_logs, expire

        if context.has_partition_key or context.instance.is_ephemeral:
            return
        gone = expire(context.instance, settings)
        logs = delete_old_logs(settings.local_dir / "logs", settings.local.log_keep_days)
        context.add_output_metadata(
            {"runs": gone.runs, "events": gone.events, "check evaluations": gone.evaluations, "log files": logs}
        )

    @dg.op(
        description="Has Spark bring its yearly tables into the order of symbols, and delete files no recent version needs."
    )
    @tells_failures
    def tidy_built(context: dg.OpExecutionContext, lake: Lake, spark: Spark) -> None:
        if context.has_partition_key:
            return
        from spark.by_symbol import sort_year
        from spark.vacuum import vacuum
        from stock_assets.lake.order import unordered_years

        session = spark.session(0)
        for table in (DAILY_BARS, DAILY_METRICS):
            for year in unordered_years(lake.root, table):
                sort_year(session, lake.root, table, year)
                context.log.info(f"{table.path}: the rows of {year} lie by symbol now")
        for table in BUILT_BY_SPARK:
            if vacuum(session, lake.root, table, settings.lake.vacuum_keep_days):
                context.log.info(f"{table.path}: files older than {settings.lake.vacuum_keep_days} days were deleted")

    @dg.job(
        name="maintenance",
        partitions_def=partitions,
        description="Compacts raw tables: the session it is started for, or whatever needs it; then vacuums all, and deletes "
        "records of runs that have expired.",
    )
    def maintenance() -> None:
        maintain()
        expire_records()
        tidy_built()

    return maintenance


def maintenance_schedule(job: dg.JobDefinition, settings: Settings) -> dg.ScheduleDefinition:
    """At night, when New York neither trades nor has just closed."""

    @dg.schedule(
        name="maintenance_schedule",
        job=job,
        cron_schedule="30 2 * * *",
        execution_timezone=str(EXCHANGE_ZONE),
        default_status=dg.DefaultScheduleStatus.RUNNING
        if settings.dagster.automatic
        else dg.DefaultScheduleStatus.STOPPED,
        description="Compacts and vacuums the raw tables each night.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest()

    return nightly
