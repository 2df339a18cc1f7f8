"""what is known of a symbol's sessions -> one number from 0 to 100.

Belongs here: how evidence becomes the score of a session and of a symbol. Pure, and with a version: the same evidence gives the
same number for as long as ``VERSION`` stands.
Does not belong here: collecting the evidence (``score_evidence``), the verdict in words (``domain.availability``), drawing.

A session counts as much as the weakest of what is known of it: the share of its records that were accepted, the share of its
comparisons that agreed, the share of its bars that break no rule, and whether its bar is final. What is not known of a session
does not count against it; a session of which nothing is known is not judged, and a symbol without a judged session has no score.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

VERSION = 1
"""Raise it when the same evidence gives another number."""
JUDGED_SESSIONS = 20
OVERDUE_CAP = 50.0
"""The most that a symbol is worth while a session of it should be there and is not."""
NOT_FINAL = 0.5
"""What a session is worth whose bar the vendor may still change, though the session is over."""


@dataclass(frozen=True)
class SessionEvidence:
    """What is known of one symbol in one session; None is for what nothing is known of.

    Attributes:
        expected: whether there should be data.
        overdue: whether it should have come by now and has not.
        accepted: share of the records that were accepted, 0..1.
        agreement: share of the comparisons of two sources that agreed, 0..1.
        rules: share of the bars that break no critical rule, 0..1.
        final: whether the bar can change no more; None without a bar, or while the session goes on.
    """

    day: date
    expected: bool = True
    overdue: bool = False
    accepted: float | None = None
    agreement: float | None = None
    rules: float | None = None
    final: bool | None = None


@dataclass(frozen=True)
class Score:
    """How far a symbol's newest sessions can be trusted.

    Attributes:
        value: 0..100; None when there is no evidence.
        sessions: how many sessions it is the mean of.
        worst_day, reason: the worst of these sessions, and what was wrong with it; None and empty when nothing was.
        capped: whether an overdue session holds it down.
        version: of the rules.
    """

    value: float | None
    sessions: int
    worst_day: date | None = None
    reason: str = ""
    capped: bool = False
    version: int = VERSION


def session_score(seen: SessionEvidence) -> tuple[float, str] | None:
    """What a session is worth, 0..1, and what holds it down (empty: nothing); None when it is not judged."""
    if not seen.expected:
        return None
    if seen.overdue:
        return 0.0, "overdue: nothing has come"
    known = [
        *_share(seen.accepted, "of its records accepted"),
        *_share(seen.agreement, "of its comparisons agreed"),
        *_share(seen.rules, "of its bars break no rule"),
        *([] if seen.final is None else [(1.0, "") if seen.final else (NOT_FINAL, "its bar is not final")]),
    ]
    return min(known, default=None)


def score(evidence: Iterable[SessionEvidence]) -> Score:
    """The score of one symbol: the mean of its newest judged sessions, in any order of the evidence; one entry per session.

    Raises:
        ValueError: a share is not between 0 and 1.
    """
    newest = sorted(evidence, key=lambda seen: seen.day, reverse=True)
    judged = [(seen, found) for seen in newest if (found := session_score(seen)) is not None][:JUDGED_SESSIONS]
    if not judged:
        return Score(None, 0)
    value = 100 * sum(worth for _, (worth, _) in judged) / len(judged)
    capped = any(seen.overdue for seen, _ in judged) and value > OVERDUE_CAP
    worst, (worth, reason) = min(judged, key=lambda each: (each[1][0], -each[0].day.toordinal()))
    return Score(
        value=OVERDUE_CAP if capped else value,
        sessions=len(judged),
        worst_day=worst.day if worth < 1 else None,
        reason=reason if worth < 1 else "",
        capped=capped,
    )


def _share(known: float | None, of_what: str) -> list[tuple[float, str]]:
    if known is None:
        return []
    if not 0 <= known <= 1:
        raise ValueError(f"{known} is no share")
    return [(known, f"{known:.0%} {of_what}" if known < 1 else "")]
