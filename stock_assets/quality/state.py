"""what the tables hold -> the sessions that must be reconciled and judged again.

Belongs here: per session what reconciliation and availability are made of, and the stale sessions of all stages together.
Does not belong here: the stages of the data itself (``staleness``), judging.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from zlib import crc32

from stock_assets.domain import sessions
from stock_assets.domain.quality_tables import AVAILABILITY, RECONCILIATION
from stock_assets.lake import staleness
from stock_assets.lake.built import built_from
from stock_assets.lake.fingerprints import Fingerprints, Inputs, fingerprints
from stock_assets.quality.availability import expected, phase
from stock_assets.quality.judging import Judging
from stock_assets.quality.reconciliation import Cell, disagreeing, sources
from stock_assets.raw.losses import lost_cells, rejected_cells


def stale_stages(lake_root: str, target: str, judging: Judging, now: datetime | None = None) -> dict[str, list[date]]:
    """For every stage below raw, judgements included, the sessions that must be built again.

    Args:
        target: where the warehouse's rows are loaded.
        now: decides whether the newest session goes on.
    """
    raw = staleness.raw_state(lake_root)
    found = staleness.stale_by_stage(lake_root, target, raw, refused(lake_root, judging), judging.renames)
    states = {
        RECONCILIATION.path: reconciliation_state(lake_root, judging),
        AVAILABILITY.path: availability_state(lake_root, judging, raw.inputs, now),
    }
    for stage, state in states.items():
        found[stage] = staleness.stale_sessions(state, built_from(lake_root, stage))
    return found


def refused(lake_root: str, judging: Judging) -> frozenset[Cell]:
    """Cells that metrics must leave out; none unless agreement is required."""
    return disagreeing(lake_root) if judging.require_agreement else frozenset()


def reconciliation_state(lake_root: str, judging: Judging) -> Fingerprints:
    """What the reconciliation of each session is made of: its bars, the pairs and the tolerances."""
    rules = judging.fingerprint(judging.choose(sources(lake_root)))
    bars = staleness.bars_state(lake_root)
    return fingerprints(RECONCILIATION.path, {day: {**state, "judging": rules} for day, state in bars.items()})


def availability_state(
    lake_root: str, judging: Judging, raw: dict[date, Inputs] | None = None, now: datetime | None = None
) -> Fingerprints:
    """What the availability of each session is made of, from the first to the newest session that has any row.

    A session between them without a row has a fingerprint, too: there everything is missing.

    Args:
        raw: what each session has of raw rows, if it was read already.
        now: decides whether the newest session goes on.
    """
    raw = staleness.raw_state(lake_root).inputs if raw is None else raw
    bars = staleness.bars_state(lake_root)
    # What is stored of it, not what should be: it is made of the stored verdicts.
    reconciled = built_from(lake_root, RECONCILIATION.path)
    known = raw.keys() | bars.keys()
    if not known:
        return {}
    days = sessions.sessions_between(min(known), max(known))
    against: dict[date, list[str]] = defaultdict(list)
    for stage, cells in rejected_cells(lake_root).items():
        for (symbol, day), times in cells.items():
            against[day].append(f"{stage} {symbol} {len(times)}")
    for (symbol, day), offsets in lost_cells(lake_root).items():
        against[day].append(f"lost {symbol} {offsets}")
    names = expected(lake_root, days, judging)
    instant = now or datetime.now(UTC)
    found: dict[date, Inputs] = {}
    for day in days:
        found[day] = {
            "judging": judging.digest,
            "expected": _digest(names[day]),
            "raw": raw.get(day),
            "bars": bars.get(day),
            "reconciled": _digest([reconciled[day]]) if day in reconciled else None,
            "against": _digest(sorted(against[day])) if against[day] else None,
            "session": phase(day, instant),
        }
    return fingerprints(AVAILABILITY.path, found)


def newest_phase(now: datetime | None = None) -> str:
    """Where today's session is: with it, availability changes though no table does."""
    instant = now or datetime.now(UTC)
    day = sessions.session_on_or_before(instant.astimezone(sessions.EXCHANGE_ZONE).date())
    return f"{day} {phase(day, instant)}"


def _digest(names: Iterable[str]) -> str:
    return f"{crc32(' '.join(names).encode()):08x}"
