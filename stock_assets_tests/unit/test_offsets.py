"""The arithmetic of the completeness equation."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.lake.offsets import cover

rows = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), max_size=30)


@given(rows, st.integers(0, 20), st.integers(1, 30))
def test_coverage_is_what_counting_each_offset_says(rows: list[tuple[int, int]], first: int, length: int) -> None:
    following = first + length
    inside = [(start, span) for start, span in rows if start >= first and start + span <= following]
    counted = Counter(offset for start, span in inside for offset in range(start, start + span))
    offsets, spans = (np.array([row[i] for row in inside], dtype=np.int64) for i in (0, 1))
    coverage = cover(offsets, spans, first, following)
    assert spread(coverage.missing) == {offset for offset in range(first, following) if not counted[offset]}
    assert spread(coverage.doubled) == {offset for offset in counted if counted[offset] > 1}
    assert coverage.complete == all(counted[offset] == 1 for offset in range(first, following))


def test_a_double_and_a_hole_do_not_cancel_out() -> None:
    coverage = cover(np.array([0, 1, 1, 3]), np.ones(4, dtype=np.int64), 0, 4)
    assert (coverage.missing, coverage.doubled) == (((2, 2),), ((1, 1),))
    assert str(coverage) == "offsets 0 to 3: missing 2; twice 1"


def test_rows_beyond_the_range_are_told() -> None:
    assert cover(np.array([0, 1]), np.ones(2, dtype=np.int64), 0, 1).doubled == ((1, 1),)


def spread(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {offset for first, last in ranges for offset in range(first, last + 1)}


def test_a_row_of_no_length_accounts_for_nothing_wherever_it_stands() -> None:
    for starts, spans in (([0, 5, 5], [5, 5, 0]), ([0, 5, 5], [5, 0, 5]), ([0, 3], [10, 0])):
        assert cover(np.array(starts), np.array(spans), 0, 10).complete
    assert not cover(np.array([0, 5]), np.array([5, 0]), 0, 10).complete
