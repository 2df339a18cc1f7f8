"""raw ticks -> windows of a session, as a Dagster asset beside the stream that computes them as ticks come.

Belongs here: computing a session's windows in one pass, what that says of the stream's, and reporting the sessions that the stream
wrote. Does not belong here: the windows (``live``), the stream (``live.stream``).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from stock_assets.defs.failures import RETRIES_ON_SPARK, tells_failures
from stock_assets.defs.materializations import report_sessions
from stock_assets.defs.metadata import OWNERS, definition_metadata
from stock_assets.defs.partitions import asked_sessions, within
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.resources import Lake, Spark
from stock_assets.domain import sessions
from stock_assets.domain.live_tables import INTRADAY_WINDOWS
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    from stock_assets.live.sessions import Built

WINDOWS_KEY = dg.AssetKey(["live", "intraday_windows"])
EQUALS, LATE = "stream_equals_batch", "late_ticks"
MOST_LATE = 0.01
"""Share of a session's ticks that may come late before a vendor, or the broker, is to be looked at."""
WINDOWS = dg.define_asset_job(
    "windows",
    selection=dg.AssetSelection.assets(WINDOWS_KEY),
    description="Computes a session's windows in one pass and compares the stream's with them; asked for by its schedule.",
)


def windows_asset(partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The windows of a session: with a partition computed anew, without one only what the stream wrote is reported."""

    def spec(name: str, text: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=WINDOWS_KEY, description=text, partitions_def=partitions)

    @dg.asset(
        key=WINDOWS_KEY,
        deps=[RAW_KEYS["ticks"]],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES_ON_SPARK,
        pool="_".join(WINDOWS_KEY.path),
        description="Bars of 1 minute, and windows of 15 and 60 minutes that slide by a minute, per symbol and source.",
        group_name="live",
        kinds={"spark", "deltalake"},
        owners=OWNERS,
        metadata=definition_metadata(INTRADAY_WINDOWS),
        check_specs=[
            spec(EQUALS, "What the stream stored of the session is what one pass over its ticks computes."),
            spec(LATE, f"At most {MOST_LATE:.0%} of the session's ticks came more than 5 minutes late; all are in."),
        ],
        output_required=False,
    )
    @tells_failures
    def intraday_windows(context: dg.AssetExecutionContext, lake: Lake, spark: Spark) -> Iterator[Any]:
        from stock_assets.lake.staleness import raw_state
        from stock_assets.live.sessions import build_session, stored_sessions

        asked = asked_sessions(context)
        if asked is None:
            rows = stored_sessions(lake.root)
            yield from report_sessions(context, within(partitions, rows), rows, {}, {})
            return
        count = raw_state(lake.root).count_rows(asked[0], asked[-1])
        built = {day: build_session(spark.session(count), lake.root, day, datetime.now(UTC)) for day in asked}
        rows = {day: each.windows for day, each in built.items()}
        yield from report_sessions(context, asked, rows, {}, {})
        yield _equality(built)
        yield _lateness(built)

    return intraday_windows


def windows_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """After each session, when its last trades are in."""

    @dg.schedule(
        name="windows_after_the_session",
        job=WINDOWS,
        cron_schedule="15 20 * * 1-5",
        execution_timezone=str(sessions.EXCHANGE_ZONE),
        default_status=dg.DefaultScheduleStatus.RUNNING
        if settings.dagster.automatic and settings.live.stream
        else dg.DefaultScheduleStatus.STOPPED,
        description="Compares what the stream stored of the session with one pass over its ticks.",
    )
    def after_the_session(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        day = context.scheduled_execution_time.astimezone(sessions.EXCHANGE_ZONE).date()
        if sessions.is_session(day):
            yield dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())
        else:
            yield dg.SkipReason(f"{day} is no session")

    return after_the_session


def _equality(built: "dict[date, Built]") -> dg.AssetCheckResult:
    apart = {day: each.differing for day, each in built.items() if each.differing}
    compared = [day for day, each in built.items() if each.differing is not None]
    said = "; ".join(f"{day}: {count} rows differed, and were replaced" for day, count in apart.items())
    return dg.AssetCheckResult(
        check_name=EQUALS,
        asset_key=WINDOWS_KEY,
        passed=not apart,
        severity=dg.AssetCheckSeverity.WARN,
        description=said
        or (f"0 differing rows in {len(compared)} sessions" if compared else "the stream stored none yet"),
        metadata={"differing_rows": sum(apart.values()), "sessions": len(compared)},
    )


def _lateness(built: "dict[date, Built]") -> dg.AssetCheckResult:
    many = [day for day, each in built.items() if each.late > MOST_LATE * each.ticks]
    late, ticks = sum(each.late for each in built.values()), sum(each.ticks for each in built.values())
    return dg.AssetCheckResult(
        check_name=LATE,
        asset_key=WINDOWS_KEY,
        passed=not many,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{late} of {ticks} ticks came late" + (f", most in {many[0]}" if many else ""),
        metadata={"late": late, "ticks": ticks},
    )
