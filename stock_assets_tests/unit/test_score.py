"""The quality score: what a session is worth, and what a symbol's sessions together are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.availability import Evidence
from stock_assets.quality.score import (
    JUDGED_SESSIONS,
    NOT_FINAL,
    OVERDUE_CAP,
    VERSION,
    Score,
    SessionEvidence,
    score,
    session_score,
)
from stock_assets.quality.score_evidence import evidence_by_symbol

DAY = date(2024, 3, 1)
shares = st.none() | st.floats(0, 1)


@st.composite
def evidence(draw: st.DrawFn) -> SessionEvidence:
    return SessionEvidence(
        DAY + timedelta(days=draw(st.integers(0, 400))),
        *draw(st.tuples(st.booleans(), st.booleans(), shares, shares, shares, st.none() | st.booleans())),
    )


histories = st.lists(evidence(), max_size=30, unique_by=lambda seen: seen.day)


def plain(seen: list[SessionEvidence]) -> float | None:
    """The rule said again, from its sentence."""
    worths = []
    for each in sorted(seen, key=lambda each: each.day):
        if each.expected and each.overdue:
            worths.append((each, 0.0))
        elif each.expected:
            parts = [part for part in (each.accepted, each.agreement, each.rules) if part is not None]
            parts += [] if each.final is None else [1.0 if each.final else 0.5]
            worths += [(each, min(parts))] if parts else []
    worths = worths[-20:]
    if not worths:
        return None
    mean = sum(worth for _, worth in worths) / len(worths) * 100
    return min(mean, 50.0) if any(each.overdue for each, _ in worths) else mean


@given(histories)
def test_a_score_is_what_its_sentence_says(seen: list[SessionEvidence]) -> None:
    found, wanted = score(seen), plain(seen)
    assert (found.value is None) == (wanted is None) == (found.sessions == 0)
    assert found.value == (None if wanted is None else pytest.approx(wanted, abs=1e-9))
    assert found.version == VERSION == 1


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(seen: list[SessionEvidence], shuffled_by: object) -> None:
    turned = list(seen)
    shuffled_by.shuffle(turned)  # type: ignore[attr-defined]
    assert score(turned) == score(seen)


@given(histories)
def test_a_score_lies_between_its_worst_session_and_100(seen: list[SessionEvidence]) -> None:
    found = score(seen)
    if found.value is not None:
        assert 0 <= found.value <= 100
        assert found.sessions <= JUDGED_SESSIONS
        assert (found.worst_day is None) == (found.reason == "")
        assert found.worst_day is not None or found.value == 100


@given(histories, evidence())
def test_what_is_not_judged_changes_nothing(seen: list[SessionEvidence], more: SessionEvidence) -> None:
    unknown = SessionEvidence(more.day + timedelta(days=1000))
    not_expected = SessionEvidence(more.day + timedelta(days=1001), expected=False, accepted=0.0)
    assert score([*seen, unknown, not_expected]) == score(seen)


def test_no_evidence_is_no_score() -> None:
    assert score([]) == score([SessionEvidence(DAY)]) == Score(None, 0)


@pytest.mark.parametrize(
    ("seen", "worth", "reason"),
    [
        (SessionEvidence(DAY, accepted=1.0, agreement=1.0, rules=1.0, final=True), 1.0, ""),
        (SessionEvidence(DAY, accepted=0.9, agreement=1.0), 0.9, "90% of its records accepted"),
        (SessionEvidence(DAY, accepted=0.9, agreement=0.0), 0.0, "0% of its comparisons agreed"),
        (SessionEvidence(DAY, rules=0.5, final=True), 0.5, "50% of its bars break no rule"),
        (SessionEvidence(DAY, accepted=1.0, final=False), NOT_FINAL, "its bar is not final"),
        (SessionEvidence(DAY, overdue=True, accepted=1.0), 0.0, "overdue: nothing has come"),
    ],
)
def test_the_weakest_part_decides(seen: SessionEvidence, worth: float, reason: str) -> None:
    assert session_score(seen) == (worth, reason)


def test_an_overdue_session_caps_the_score_until_it_is_20_sessions_old() -> None:
    good = [SessionEvidence(DAY + timedelta(days=n), accepted=1.0) for n in range(1, 21)]
    late = SessionEvidence(DAY, overdue=True)
    newest = SessionEvidence(DAY + timedelta(days=30), overdue=True)
    assert score([*good, late]) == Score(100.0, 20)
    assert score([*good, newest]) == Score(OVERDUE_CAP, 20, newest.day, "overdue: nothing has come", True)


def test_the_newest_of_equally_bad_sessions_is_told() -> None:
    bad = [SessionEvidence(DAY + timedelta(days=n), agreement=0.5) for n in range(3)]
    assert score(bad).worst_day == DAY + timedelta(days=2)


def test_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match="1.5 is no share"):
        score([SessionEvidence(DAY, accepted=1.5)])


def available(symbol: str, day: date, value: str, seen: Evidence) -> dict[str, object]:
    return {"symbol": symbol, "trading_day": day, "availability": value, "inputs": str(seen)}


def test_evidence_is_taken_from_the_tables_rows() -> None:
    days = [DAY + timedelta(days=n) for n in range(5)]
    rows = [
        available("A", days[0], "degraded", Evidence(source="yahoo", bars=2, statements=9, rejected=1)),
        available("A", days[1], "degraded", Evidence(source="sim_ticks", bars=1, rejected=3, lost=2)),
        available("A", days[2], "missing", Evidence()),
        available("A", days[3], "empty", Evidence()),
        available("A", days[4], "partial", Evidence(phase="open", source="yahoo", bars=1)),
        available("B", days[0], "degraded", Evidence()),
    ]
    verdicts = [
        {"symbol": "A", "trading_day": days[0], "verdict": verdict} for verdict in ("agreed", "disagree", "missing")
    ]
    bars = [
        {"symbol": "A", "trading_day": days[0], "trade_count": None, "final": False},
        {"symbol": "A", "trading_day": days[0], "trade_count": None, "final": True},
        {"symbol": "A", "trading_day": days[1], "trade_count": 95, "final": False},
        {"symbol": "A", "trading_day": days[4], "trade_count": None, "final": False},
    ]
    withheld = [{"symbol": "A", "trading_day": days[0]}, {"symbol": "B", "trading_day": days[0]}]
    assert evidence_by_symbol(rows, verdicts, bars, withheld) == {
        "A": [
            SessionEvidence(days[0], accepted=0.9, agreement=0.5, rules=2 / 3, final=True),
            SessionEvidence(days[1], accepted=0.95, rules=1.0, final=False),
            SessionEvidence(days[2], overdue=True),
            SessionEvidence(days[3], expected=False),
            SessionEvidence(days[4], rules=1.0),
        ],
        "B": [SessionEvidence(days[0], rules=0.0)],
    }
