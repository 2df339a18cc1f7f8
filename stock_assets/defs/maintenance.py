"""raw tables -> nightly compaction and vacuum, as a Dagster job.

Belongs here: when and for which sessions, and what a run says about it. Does not belong here: how files are rewritten
(``raw.compaction``). Only tables of delta-rs: those of Spark are Spark's to compact, and judgements compact themselves.

The job has partitions so that one session can be asked for in the UI; the schedule asks for none, and the run then takes
what needs it. Either way a second run finds nothing left to do.
"""

from datetime import date

import dagster as dg

from stock_assets.defs.failures import tells_failures
from stock_assets.defs.metadata import markdown_table
from stock_assets.defs.resources import Lake
from stock_assets.domain.finding_tables import FINDING_TABLES
from stock_assets.domain.quality_tables import EXPECTATIONS, QUALITY_TABLES
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.tables import RAW_TABLES
from stock_assets.settings.platform import Settings


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
        for judged in (*QUALITY_TABLES, *FINDING_TABLES, EXPECTATIONS) if not asked else ():
            deleted = vacuum(lake.root, judged, settings.lake.vacuum_keep_days)
            report.append({"table": judged.path, "outcome": f"{deleted} files deleted"})
        columns = ["table", "session", "rows", "files before", "files after", "outcome"]
        context.add_output_metadata({"report": markdown_table(report, columns)})

    @dg.job(
        name="maintenance",
        partitions_def=partitions,
        description="Compacts raw tables: the session it is started for, or whatever needs it, and then vacuums.",
    )
    def maintenance() -> None:
        maintain()

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
