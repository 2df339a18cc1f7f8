"""Which statements about actions count, and what follows for prices."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.splits import SAME_SPLIT_DAYS, Stated, actions_that_count, factor_of_statement, split_factor

DAY = date(2014, 6, 9)
KNOWN = datetime(2014, 6, 8, 12, tzinfo=UTC)


def split(ex_date: date = DAY, value: float = 7.0, source: str = "yahoo", days: int = 0, kind: str = "split") -> Stated:
    return Stated(ex_date, kind, value, source, KNOWN + timedelta(days=days))


def later(days: int) -> date:
    return DAY + timedelta(days=days)


@pytest.mark.parametrize("apart", [0, 1, SAME_SPLIT_DAYS])
def test_a_split_that_two_vendors_place_on_different_days_counts_once(apart: int) -> None:
    stated = [split(source="a", days=1), split(later(apart), source="b")]
    assert actions_that_count(stated, "c") == stated[:1]
    assert split_factor(actions_that_count(stated, "c"), later(30)) == 7.0
    # A vendor's own bars are read with its own day.
    assert actions_that_count(stated, "b") == stated[1:]


def test_of_equally_new_statements_the_later_day_counts() -> None:
    stated = [split(source="b"), split(later(1), source="a")]
    assert actions_that_count(stated, "c") == stated[1:]


def test_a_vendor_that_moved_the_day_of_a_split_counts_once() -> None:
    stated = [split(later(1)), split(days=1)]
    assert actions_that_count(stated, "yahoo") == [stated[1]]


@pytest.mark.parametrize(
    "other",
    [
        split(later(SAME_SPLIT_DAYS + 1), source="b"),
        split(later(1), 2.0, source="b"),
        split(later(1), 7.0, source="b", kind="dividend"),
    ],
)
def test_other_days_ratios_and_kinds_are_other_actions(other: Stated) -> None:
    assert actions_that_count([split(source="a"), other], "c") == [split(source="a"), other]


def test_a_third_and_its_rounding_are_the_same_ratio() -> None:
    stated = [split(value=1 / 3, source="a"), split(later(2), 0.3333, source="b", days=2)]
    assert actions_that_count(stated, "c") == stated[1:]


def test_the_newest_value_counts() -> None:
    stated = [split(value=7.0), split(value=4.0, days=1)]
    assert actions_that_count(stated, "yahoo") == actions_that_count(stated[::-1], "yahoo") == stated[1:]


statements = st.lists(
    st.builds(
        Stated,
        st.integers(0, 40).map(later),
        st.sampled_from(["split", "split", "dividend"]),
        st.sampled_from([2.0, 7.0]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 5).map(lambda n: KNOWN + timedelta(days=n)),
    ),
    max_size=8,
)


@given(statements, st.randoms(), st.sampled_from(["a", "b", "c"]))
def test_each_split_counts_once_in_any_order(stated: list[Stated], random: object, vendor: str) -> None:
    counting = actions_that_count(stated, vendor)
    shuffled = list(stated)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert actions_that_count(shuffled, vendor) == counting == sorted(counting)
    assert set(counting) <= set(stated)
    splits = [action for action in counting if action.kind == "split"]
    for n, action in enumerate(splits):
        for other in splits[n + 1 :]:
            assert other.value != action.value or (other.ex_date - action.ex_date).days > SAME_SPLIT_DAYS
    if stated:
        assert counting


@given(
    st.lists(st.floats(1, 1000), min_size=40, max_size=40),
    st.dictionaries(st.integers(1, 60), st.sampled_from([2.0, 3.0, 7.0, 10.0, 0.1, 1.5]), max_size=3),
    st.integers(1, 60),
)
def test_prices_adjusted_as_a_vendor_does_are_brought_back(
    traded: list[float], splits: dict[int, float], fetched: int
) -> None:
    """The vendor divides by every split up to the day of its answer, which may lie before, between and after them."""
    days = [later(n) for n in range(len(traded))]
    apart = {n: ratio for n, ratio in splits.items() if not any(0 < m - n <= SAME_SPLIT_DAYS for m in splits)}
    stated = [split(later(n), ratio) for n, ratio in apart.items()]
    known_at = datetime.combine(later(fetched), datetime.min.time(), UTC) + timedelta(hours=21)
    for n, (day, price) in enumerate(zip(days, traded, strict=True)):
        literal = price
        for at, ratio in apart.items():
            if n < at <= fetched:
                literal /= ratio
        assert literal * factor_of_statement(stated, "split_adjusted", day, known_at) == pytest.approx(price)
        assert factor_of_statement(stated, "as_traded", day, known_at) == 1.0
        # And forth: what was brought back is adjusted to the vendor's day again.
        assert price / split_factor(stated, later(fetched), day) == pytest.approx(literal)


def test_a_day_is_known_where_the_exchange_is() -> None:
    """23:00 in New York on the day before a split is 03:00 UTC of its day."""
    evening = datetime(2014, 6, 9, 3, tzinfo=UTC)
    assert factor_of_statement([split()], "split_adjusted", date(2014, 6, 6), evening) == 1.0
    assert factor_of_statement([split()], "split_adjusted", date(2014, 6, 6), evening + timedelta(hours=1)) == 7.0
