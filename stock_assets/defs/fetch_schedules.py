"""the exchange's calendar -> runs that fetch history.

Belongs here: when vendors are asked, and for which sessions. What the lake lacks of those is the asset's to find out.
Does not belong here: asking (``vendor_history``), and when bars are built: that follows from what is landed (``sensors``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

import dagster as dg

from stock_assets.defs.raw_assets import HISTORY
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, is_session, session, sessions_between
from stock_assets.settings.platform import Settings

FETCH = dg.define_asset_job(
    "fetch",
    selection=dg.AssetSelection.assets(HISTORY),
    description="Fetches daily bars, splits and dividends that the lake lacks; asked for by the schedules.",
)
SETTLE = CLOSING_PRINT_GRACE + timedelta(minutes=5)
"""How long after the close a vendor's bar is final; ten minutes are left of those within which it is to be complete."""
LOOK_BACK = timedelta(days=45)
"""What older fetches missed is made up for this long; for more, backfill ``sources/history``."""


def fetch_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """After each session, and each hour while the market is open; on when vendors are named in the settings."""
    named = "history_sources" in settings.vendors.model_fields_set
    on = settings.dagster.automatic and named
    status = dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED

    schedule = partial(dg.schedule, job=FETCH, execution_timezone=str(EXCHANGE_ZONE), default_status=status)

    @schedule(
        name="fetch_after_close",
        cron_schedule="*/5 13-23 * * 1-5",
        description="20 minutes after each session's close, half days too: its bars, and what earlier fetches missed.",
    )
    def after_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(EXCHANGE_ZONE)
        day = now.date()
        if not is_session(day):
            return dg.SkipReason(f"{day} is no session")
        due = session(day).close_time + SETTLE
        if now < due:
            return dg.SkipReason(f"due at {due.astimezone(EXCHANGE_ZONE):%H:%M}, 20 minutes after the close")
        first = max(sessions_between(day - LOOK_BACK, day)[0], settings.dagster.first_session)
        # The key makes it one run a session, by whichever look comes first.
        return _request(f"after close of {day}", first, day)

    @schedule(
        name="fetch_while_open",
        cron_schedule="0 10-16 * * 1-5",
        description="Each hour while the market is open: the session's bars so far.",
    )
    def while_open(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(EXCHANGE_ZONE)
        if not is_open(now):
            return dg.SkipReason("the market is closed")
        return _request(f"{now:%Y-%m-%d %H:%M}", now.date(), now.date())

    return [after_close, while_open]


def is_open(moment: datetime) -> bool:
    """Whether the exchange trades at that moment, extended hours left out."""
    day = moment.astimezone(EXCHANGE_ZONE).date()
    return is_session(day) and session(day).open_time <= moment < session(day).close_time


def _request(key: str, first: date, last: date) -> dg.RunRequest:
    config = {"ops": {HISTORY.to_python_identifier(): {"config": {"first": first.isoformat()}}}}
    return dg.RunRequest(run_key=key, partition_key=last.isoformat(), run_config=config)
