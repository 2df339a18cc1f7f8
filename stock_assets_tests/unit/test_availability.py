"""The availability of a cell: the truth table, and that each cell has exactly one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.commands.availability import LOOKS
from stock_assets.domain.availability import AVAILABILITIES, Availability, Evidence, judge

BAR = Evidence(source="yahoo", final=True, volume=1000, bars=1)
TRUTH: list[tuple[Evidence, Availability, str]] = [
    (Evidence(absence="not traded under that name"), "empty", "not traded under that name"),
    (Evidence(phase="before"), "empty", "has not begun"),
    (Evidence(), "missing", "nothing was accepted nor rejected"),
    (Evidence(rejected=3), "missing", "3 records in quarantine"),
    (Evidence(phase="open"), "partial", "goes on"),
    (Evidence(ticks=1, statements=1), "partial", "2 records accepted, but no bar"),
    (Evidence(absence="not traded under that name", ticks=1), "partial", "1 record accepted"),
    (replace(BAR, volume=0), "empty", "yahoo says that no share was traded"),
    (replace(BAR, volume=0, final=False), "partial", "yahoo is not final"),
    (replace(BAR, disagreements=("close 1 and 2",)), "degraded", "close 1 and 2"),
    (replace(BAR, broken=("high 1 is below low 2",)), "degraded", "high 1 is below low 2"),
    (Evidence(broken=("yahoo is withheld",), statements=1), "degraded", "yahoo is withheld"),
    (Evidence(broken=("yahoo is withheld",), absence="not traded"), "degraded", "yahoo is withheld"),
    (replace(BAR, rejected=1), "degraded", "1 record in quarantine"),
    (replace(BAR, lost=1200), "degraded", "1,200 records lost"),
    (replace(BAR, volume=0, lost=1), "degraded", "1 record lost"),
    (replace(BAR, final=False), "partial", "not final"),
    (replace(BAR, corrections=("yahoo changed close 1 to 2",)), "corrected", "yahoo changed close 1 to 2"),
    (replace(BAR, bars=2), "available", "2 final bars, the first choice is yahoo"),
]


@pytest.mark.parametrize(("seen", "availability", "because"), TRUTH)
def test_the_truth_table(seen: Evidence, availability: Availability, because: str) -> None:
    found, sentence = judge(seen)
    assert found == availability
    assert because in sentence


def test_the_table_has_every_condition_and_each_looks_unlike_the_others() -> None:
    assert {availability for _, availability, _ in TRUTH} == set(AVAILABILITIES) == set(LOOKS)
    assert len({sign for sign, _ in LOOKS.values()}) == len(AVAILABILITIES)


sentences = st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple)
counts = st.integers(0, 3)
evidence = st.builds(
    Evidence,
    phase=st.sampled_from(["before", "open", "over"]),
    absence=st.sampled_from(["", "not traded"]),
    source=st.sampled_from(["", "yahoo"]),
    final=st.booleans(),
    volume=st.none() | st.integers(0, 2),
    bars=st.integers(1, 3),
    statements=counts,
    ticks=counts,
    rejected=counts,
    lost=counts,
    broken=sentences,
    disagreements=sentences,
    corrections=sentences,
)


@given(evidence)
def test_each_cell_has_one_condition_and_a_sentence(seen: Evidence) -> None:
    availability, because = judge(seen)
    assert availability in AVAILABILITIES
    assert because
    assert judge(seen) == (availability, because)


@given(evidence)
def test_precedence(seen: Evidence) -> None:
    availability, _ = judge(seen)
    against = bool(seen.broken or seen.disagreements or seen.rejected or seen.lost)
    if seen.source:
        assert availability != "missing"
        assert (availability == "degraded") == against
        if availability in ("available", "corrected"):
            assert seen.final and (availability == "corrected") == bool(seen.corrections)
    else:
        assert availability in ("missing", "partial", "empty", "degraded")
        assert (availability == "degraded") == bool(seen.broken)
        if (seen.ticks or seen.statements) and not seen.broken:
            assert availability == "partial"  # what came is never called missing


@given(evidence)
def test_one_more_thing_against_a_bar_never_makes_it_better(seen: Evidence) -> None:
    if seen.source:
        assert judge(replace(seen, disagreements=(*seen.disagreements, "another")))[0] == "degraded"


@given(evidence)
def test_the_inputs_tell_what_counted(seen: Evidence) -> None:
    assert (f"rejected={seen.rejected}" in str(seen)) == bool(seen.rejected)
    assert f"session={seen.phase}" in str(seen)
