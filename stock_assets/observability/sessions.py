"""tables of the lake -> facts about its sessions.

Belongs here: which sessions are stale, which were not complete in time, and what is withheld.
Does not belong here: who builds them (``runs``), and the verdict on each symbol (``quality.availability``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from stock_assets.domain.service_level import (
    COMPLETE_WITHIN,
    Milestones,
    minutes_to_complete,
    promised_since,
    service_level,
)
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session, session, sessions_between
from stock_assets.domain.tables import DERIVED_TABLES
from stock_assets.lake.tables import read_withheld
from stock_assets.observability.fact import Fact
from stock_assets.quality.judging import Judging
from stock_assets.quality.state import stale_stages
from stock_assets.settings.platform import Settings

STALE, WITHHELD, LATE = "stale_sessions", "withheld_rows", "service_level"
REMEMBERED = 5
"""Sessions that are told to be late: of older ones the mart tells."""


def stale_sessions(settings: Settings) -> dict[str, list[date]]:
    """The sessions that are partitions and that each stage below raw must build again, by the stage's name."""
    first, today = settings.dagster.first_session, datetime.now(EXCHANGE_ZONE).date()
    return {
        stage: [day for day in days if first <= day <= today and is_session(day)]
        for stage, days in stale_stages(settings.lake_root, settings.snowflake.target, Judging.of(settings)).items()
    }


def stale_facts(stale: Mapping[str, Sequence[date]], unbuilt: Fact | None) -> Iterator[Fact]:
    """Per stage how many sessions are stale; a problem when nothing is going to build them.

    Args:
        unbuilt: why nothing builds them, and what to do about that; None when a build runs or will soon.
    """
    for stage, days in stale.items():
        if not days:
            yield Fact(STALE, stage, False, "every session is up to date", "", 0, "sessions")
            continue
        span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
        text = f"{len(days)} session{'s' * (len(days) > 1)} of {span} to be built"
        why = f", and nothing builds them: {unbuilt.sentence}" if unbuilt is not None else ""
        cure = unbuilt.cure if unbuilt is not None else ""
        yield Fact(STALE, stage, unbuilt is not None, text + why, cure, len(days), "sessions")


def late_facts(milestones: Mapping[date, Milestones], now: datetime) -> Iterator[Fact]:
    """Of the newest sessions, those that were not complete in time; a problem until they are. One fact says so when there is none.

    A session is told from the minute on in which its time is over.
    """
    since = promised_since(milestones, lambda day: session(day).close_time)
    closed = [day for day in _newest(now) if session(day).close_time <= now]
    told = False
    for day in closed:
        close, seen = session(day).close_time, milestones.get(day, Milestones())
        if service_level(day, close, seen, now, since) != "missed":
            continue
        told = True
        minutes = minutes_to_complete(close, seen)
        due = close + COMPLETE_WITHIN
        promise = f"DAILY_STOCK_METRICS of {day} was to be complete by {due.astimezone(EXCHANGE_ZONE):%H:%M} New York"
        if minutes is not None:
            yield Fact(
                LATE, str(day), False, f"{promise}, and was {minutes} minutes after the close", "", minutes, "minutes"
            )
        else:
            late = int((now - close).total_seconds() // 60)
            cure = f"`stock-assets availability --day {day} --problems` tells what is missing."
            yield Fact(LATE, str(day), True, f"{promise}, and is not yet", cure, late, "minutes")
    if not told:
        promised = since is not None and any(day >= since for day in closed)
        text = "every session of late was complete in time" if promised else "no session of late was promised"
        yield Fact(LATE, "", False, text)


def _newest(now: datetime) -> list[date]:
    today = now.astimezone(EXCHANGE_ZONE).date()
    return sessions_between(today - timedelta(days=3 * REMEMBERED), today)[-REMEMBERED:]


def withheld_facts(lake_root: str) -> Iterator[Fact]:
    """Per table how many rows are kept from every reader: to be known, but no fault of the platform, which did its duty."""
    for table in DERIVED_TABLES:
        count = read_withheld(lake_root, table).num_rows
        text = (
            f"{count:,} rows break a critical rule and are kept from every reader" if count else "nothing is withheld"
        )
        cure = "`stock-assets verify` names them; have the vendor's data corrected." if count else ""
        yield Fact(WITHHELD, table.path, False, text, cure, count, "rows")
