"""Stale sessions are told per stage, and are a problem when nothing builds them."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.service_level import Milestones
from stock_assets.domain.sessions import EXCHANGE_ZONE, session, sessions_between
from stock_assets.domain.stages import STAGES
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.observability import sessions
from stock_assets.observability.fact import Fact
from stock_assets.observability.sessions import late_facts, stale_facts, stale_sessions, withheld_facts
from stock_assets.settings.platform import Settings

WHY = Fact("x", "build", True, "the last build failed: no Spark", "See the run")
DAYS = st.lists(st.dates(date(2013, 1, 1), date(2013, 12, 31)), unique=True).map(sorted)


@given(stale=st.dictionaries(st.sampled_from(sorted(STAGES)), DAYS), built=st.booleans())
def test_stale_sessions_are_a_problem_when_nothing_builds_them(stale: dict[str, list[date]], built: bool) -> None:
    facts = {fact.about: fact for fact in stale_facts(stale, None if built else WHY)}
    assert {about: fact.value for about, fact in facts.items()} == {stage: len(days) for stage, days in stale.items()}
    for stage, days in stale.items():
        assert facts[stage].problem == bool(days and not built)
        assert (WHY.sentence in facts[stage].sentence) == facts[stage].problem == (facts[stage].cure == WHY.cure)


def test_sessions_that_are_no_partitions_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    tomorrow = datetime.now(EXCHANGE_ZONE).date() + timedelta(days=1)
    coming = sessions_between(tomorrow, tomorrow + timedelta(days=9))[0]
    days = [date(2013, 2, 28), date(2013, 3, 1), date(2013, 3, 2), coming]
    monkeypatch.setattr(sessions, "stale_stages", lambda *_: {"stage": days})
    assert stale_sessions(Settings({"FIRST_SESSION": "2013-03-01"})) == {"stage": [date(2013, 3, 1)]}


def test_withheld_rows_are_told_and_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> Fact:
        return next(fact for fact in withheld_facts(str(tmp_path)) if fact.about == DAILY_BARS.path)

    assert (told().problem, told().value, told().cure) == (False, 0, "")
    monkeypatch.setattr(sessions, "read_withheld", lambda *_: pa.table({"symbol": ["IBM", "MSFT"]}))
    assert (told().problem, told().value) == (False, 2)
    assert "2 rows break a critical rule" in told().sentence and "stock-assets verify" in told().cure


HALF, BEFORE = date(2024, 11, 29), date(2024, 11, 27)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=EXCHANGE_ZONE)


def complete(day: date, minutes: int) -> Milestones:
    """Judged before its close, complete so many minutes after it."""
    close = session(day).close_time
    return Milestones(close - timedelta(hours=2), close + timedelta(minutes=minutes))


def test_a_missed_half_day_is_told_at_13_31_and_not_a_minute_before() -> None:
    milestones = {BEFORE: complete(BEFORE, 10), HALF: Milestones(at("2024-11-29 10:00"))}
    assert not [fact for fact in late_facts(milestones, at("2024-11-29 13:30")) if fact.problem]
    (fact,) = late_facts(milestones, at("2024-11-29 13:31"))
    assert fact.problem and (fact.name, fact.about, fact.value) == ("service_level", str(HALF), 31)
    assert "by 13:30 New York, and is not yet" in fact.sentence and str(HALF) in fact.cure


def test_a_session_that_nothing_came_of_is_late_too_until_it_is_complete() -> None:
    milestones = {BEFORE: complete(BEFORE, 10)}
    (fact,) = late_facts(milestones, at("2024-12-02 09:00"))
    assert fact.problem and fact.about == str(HALF)
    (fact,) = late_facts(milestones | {HALF: complete(HALF, 5000)}, at("2024-12-02 09:00"))
    assert not fact.problem and "5000 minutes after the close" in fact.sentence


def test_history_that_is_filled_in_is_late_never_and_changes_no_fact() -> None:
    filled = {
        day: Milestones(at("2024-12-02 08:00"), at("2024-12-02 08:00"))
        for day in sessions_between(date(2013, 1, 2), HALF)
    }
    (fact,) = late_facts(filled, at("2024-12-02 09:00"))
    assert not fact.problem and "no session of late was promised" in fact.sentence
    live = {BEFORE: complete(BEFORE, 10), HALF: complete(HALF, 29)}
    backfilled = {day: seen for day, seen in filled.items() if day.year == 2013}
    assert list(late_facts(live, at("2024-12-02 09:00"))) == list(late_facts(backfilled | live, at("2024-12-02 09:00")))
