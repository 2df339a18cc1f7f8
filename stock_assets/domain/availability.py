"""what is known of one symbol and session -> its availability.

Belongs here: the six values, which one wins, and the sentence that says why.
Does not belong here: finding the evidence (``lake.evidence``) and showing it.

The first row that applies decides:

============================================================ =========
evidence                                                     availability
============================================================ =========
every bar there is breaks a rule, and is withheld            degraded
no bar, nothing accepted; not traded by that name that day   empty
no bar, nothing accepted; the session has not begun          empty
no bar, nothing accepted; the session is over                missing
no bar: something accepted, or the session goes on           partial
a final bar says that nothing was traded                     empty
a bar or a newer statement of it breaks a rule, vendors      degraded
disagree, a record is in quarantine or was lost
the bar is not final                                         partial
a vendor changed its final statement                         corrected
none of these                                                available
============================================================ =========
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Availability = Literal["available", "corrected", "partial", "degraded", "missing", "empty"]
AVAILABILITIES: tuple[Availability, ...] = ("available", "corrected", "partial", "degraded", "missing", "empty")
"""``empty`` is empty and legitimately so."""
NO_PROBLEM: frozenset[Availability] = frozenset({"available", "empty"})

Phase = Literal["before", "open", "over"]
"""Of a session, at the moment of judging; it is over when closing prints can come no more."""


@dataclass(frozen=True)
class Evidence:
    """What calendar, universe and lake hold of one symbol and session.

    Attributes:
        phase: of the session.
        absence: why the symbol is legitimately not traded under that name on the day; empty when it should be.
        source: source of the bar that metrics use; empty when there is no bar.
        final: whether that bar can change no more.
        volume: of that bar.
        bars: daily bars, of all sources, less those that are withheld.
        statements: accepted records of vendors' bars.
        ticks: accepted ticks; counted only where there is no bar.
        rejected: records in quarantine.
        lost: offsets that were never landed, near the symbol's ticks of the session.
        broken: sentences, one per bar that is withheld, and per vendor whose newest statement does not count.
        disagreements: sentences, one per pair of vendors that disagree.
        corrections: sentences, one per vendor that changed a final statement.
    """

    phase: Phase = "over"
    absence: str = ""
    source: str = ""
    final: bool = False
    volume: Decimal | None = None
    bars: int = 0
    statements: int = 0
    ticks: int = 0
    rejected: int = 0
    lost: int = 0
    broken: tuple[str, ...] = field(default=())
    disagreements: tuple[str, ...] = field(default=())
    corrections: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        """The numbers, for a table's column."""
        counted = ("bars", "statements", "ticks", "rejected", "lost")
        numbers = [f"{name}={getattr(self, name)}" for name in counted if getattr(self, name)]
        return " ".join([*numbers, *([f"source={self.source}"] if self.source else []), f"session={self.phase}"])


def judge(seen: Evidence) -> tuple[Availability, str]:
    """The value, and one sentence that says why."""
    return _without_bar(seen) if not seen.source else _of_bar(seen)


def _without_bar(seen: Evidence) -> tuple[Availability, str]:
    if seen.broken:
        return "degraded", "; ".join(seen.broken)
    accepted = seen.ticks + seen.statements
    quarantine = f"; {_records(seen.rejected)} in quarantine" if seen.rejected else ""
    if not accepted and seen.absence:
        return "empty", seen.absence
    if not accepted and seen.phase == "before":
        return "empty", f"the session has not begun{quarantine}"
    if not accepted and seen.phase == "over":
        return "missing", f"nothing was accepted{quarantine or ' nor rejected'}"
    if not accepted:
        return "partial", f"the session goes on, and nothing has come yet{quarantine}"
    return "partial", f"{_records(accepted)} accepted, but no bar is built of them{quarantine}"


def _of_bar(seen: Evidence) -> tuple[Availability, str]:
    if seen.final and seen.volume == 0 and not (seen.broken or seen.disagreements or seen.rejected or seen.lost):
        return "empty", f"{seen.source} says that no share was traded"
    against = [
        *seen.disagreements,
        *seen.broken,
        *([f"{_records(seen.rejected)} in quarantine"] if seen.rejected else []),
        *([f"{_records(seen.lost)} lost before landing"] if seen.lost else []),
    ]
    if against:
        return "degraded", "; ".join(against)
    if not seen.final:
        return "partial", f"the bar of {seen.source} is not final"
    if seen.corrections:
        return "corrected", "; ".join(seen.corrections)
    return "available", f"{seen.bars} final bar{'s' if seen.bars > 1 else ''}, the first choice is {seen.source}"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"
