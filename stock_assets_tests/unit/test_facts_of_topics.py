"""When records that wait are a problem, and how that is said."""

from hypothesis import given
from hypothesis import strategies as st

from stock_assets.landing.waiting import Waiting
from stock_assets.observability.topics import OLDEST, RECORDS, SLACK_S, topic_facts
from stock_assets.topic.topics import TICKS

STOPPED = "t was deleted and created again. If that is right, run: stock-assets adopt-topic ticks"


@given(
    records=st.dictionaries(st.integers(0, 5), st.integers(0, 10**9), min_size=1),
    late_s=st.none() | st.floats(-60, 60) | st.floats(-600, 1e7),
    delay_s=st.floats(0, 600),
    draining=st.booleans(),
)
def test_records_are_a_problem_when_one_waits_longer_than_the_pacing_allows(
    records: dict[int, int], late_s: float | None, delay_s: float, draining: bool
) -> None:
    age_s = None if late_s is None else max(0.0, delay_s + SLACK_S + late_s)
    facts = list(topic_facts("ticks", Waiting(TICKS, dict.fromkeys(records, 0), records), age_s, delay_s, draining))
    told = {fact.about: fact.value for fact in facts if fact.name == RECORDS}
    assert told == {f"{TICKS.name}/{partition}": count for partition, count in records.items()}
    (oldest,) = [fact for fact in facts if fact.name == OLDEST]
    waits = any(records.values())
    assert oldest.problem == bool(waits and age_s is not None and age_s > delay_s + SLACK_S)
    assert oldest.value == (age_s if waits else 0.0)
    assert bool(oldest.cure) == oldest.problem == ("should not wait" in oldest.sentence)
    assert ("stock-assets land" in oldest.cure) == (oldest.problem and not draining)
    assert sum(fact.problem for fact in facts) == oldest.problem


def test_a_stopped_topic_is_a_problem_with_its_own_command() -> None:
    (fact,) = topic_facts("ticks", Waiting(TICKS, stopped=STOPPED), None, 4.0)
    assert (fact.problem, fact.sentence, fact.cure) == (True, STOPPED, "`stock-assets adopt-topic ticks`")
    (unsuitable,) = topic_facts("ticks", Waiting(TICKS, stopped="t is compacted; set it to delete"), None, 4.0)
    assert unsuitable.problem and "stock-assets land" in unsuitable.cure


def test_a_topic_that_nobody_created_is_no_problem() -> None:
    (fact,) = topic_facts("ticks", Waiting(TICKS), None, 4.0)
    assert not fact.problem and "no topic stock-market-realtime yet" in fact.sentence
