"""tables of the lake -> facts about its sessions.

Belongs here: which sessions are stale, and what is withheld.
Does not belong here: who builds them (``runs``), and the verdict on each symbol (``quality.availability``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session
from stock_assets.domain.tables import DERIVED_TABLES
from stock_assets.lake.tables import read_withheld
from stock_assets.observability.fact import Fact
from stock_assets.quality.judging import Judging
from stock_assets.quality.state import stale_stages
from stock_assets.settings.platform import Settings

STALE, WITHHELD = "stale_sessions", "withheld_rows"


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


def withheld_facts(lake_root: str) -> Iterator[Fact]:
    """Per table how many rows are kept from every reader: to be known, but no fault of the platform, which did its duty."""
    for table in DERIVED_TABLES:
        count = read_withheld(lake_root, table).num_rows
        text = (
            f"{count:,} rows break a critical rule and are kept from every reader" if count else "nothing is withheld"
        )
        cure = "`stock-assets verify` names them; have the vendor's data corrected." if count else ""
        yield Fact(WITHHELD, table.path, False, text, cure, count, "rows")
