"""Stale sessions are told per stage, and are a problem when nothing builds them."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.sessions import EXCHANGE_ZONE, sessions_between
from stock_assets.domain.stages import STAGES
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.observability import sessions
from stock_assets.observability.fact import Fact
from stock_assets.observability.sessions import stale_facts, stale_sessions, withheld_facts
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
