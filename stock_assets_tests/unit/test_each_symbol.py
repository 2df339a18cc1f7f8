"""One symbol's failure is told, and the next symbol is asked."""

from collections.abc import Iterator

import pytest

from stock_assets.domain.errors import (
    InvalidKey,
    ServiceUnavailable,
    UnknownSymbol,
    UnsupportedExchange,
    UnusableAnswer,
    VendorThrottled,
)
from stock_assets.publishers.each_symbol import IN_A_ROW, fetch_each
from stock_assets.sources.fetched import Fetched


def asked(by_symbol: dict[str, Exception | None]) -> Iterator[tuple[str, list[str]]]:
    def fetch(symbol: str) -> Fetched:
        if (failure := by_symbol[symbol]) is not None:
            raise failure
        return Fetched()

    for symbol, fetched in fetch_each(by_symbol, fetch):
        yield symbol, fetched.refused


def answers(by_symbol: dict[str, Exception | None]) -> list[tuple[str, list[str]]]:
    return list(asked(by_symbol))


def test_a_failure_of_one_symbol_is_told_and_the_others_are_asked() -> None:
    failures = {"A": None, "B": UnusableAnswer("b"), "C": UnknownSymbol("c"), "D": UnsupportedExchange("d"), "E": None}
    assert answers(failures) == [("A", []), ("B", ["b"]), ("C", ["c"]), ("D", ["d"]), ("E", [])]


@pytest.mark.parametrize("failure", [ServiceUnavailable("away"), InvalidKey("key")])
def test_a_failure_of_the_vendor_stops_at_once(failure: Exception) -> None:
    with pytest.raises(type(failure)):
        answers({"A": None, "B": failure, "C": None})


def test_a_symbol_that_fails_while_the_budget_ends_costs_no_answer_before_and_each_is_told_once() -> None:
    arriving = asked(
        {"A": None, "B": UnknownSymbol("b"), "C": None, "D": VendorThrottled("the day's budget"), "E": None}
    )
    assert [next(arriving) for _ in "ABC"] == [("A", []), ("B", ["b"]), ("C", [])]
    with pytest.raises(VendorThrottled, match="the day's budget"):
        next(arriving)


def test_unusable_answers_in_a_row_are_the_vendors_failure_and_any_other_answer_begins_anew() -> None:
    unusable: dict[str, Exception | None] = {f"S{n}": UnusableAnswer(f"no data {n}") for n in range(IN_A_ROW)}
    with pytest.raises(
        ServiceUnavailable, match=f"no data {IN_A_ROW - 1}; so it was for the {IN_A_ROW - 1} symbols before"
    ):
        answers(unusable)
    for between in (None, UnknownSymbol("c")):
        assert len(answers({**unusable, "S2": between})) == IN_A_ROW
