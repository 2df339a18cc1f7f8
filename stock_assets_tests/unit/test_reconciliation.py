"""Whether two vendors agree, which two are compared, and the settings of both."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.reconciliation import Figures, Tolerance, compare
from stock_assets.domain.rules import broken_rules
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.domain.universe import Universe
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings

TOLERANCE = Tolerance(close_bps=Decimal(5), volume_percent=Decimal(2), no_auction_percent=Decimal(20))


def figures(close: str, volume: int | None = 1000, final: bool = True, no_auction: bool = False) -> Figures:
    return Figures(Decimal(close), None if volume is None else Decimal(volume), final, no_auction)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (figures("100"), figures("100"), "agreed"),
        (figures("100"), figures("99.95"), "agreed"),  # 5 bps are let pass
        (figures("100"), figures("99.949999"), "disagree"),
        (figures("100"), figures("100", 980), "agreed"),
        (figures("100"), figures("100", 979), "disagree"),
        (figures("100"), figures("100", 800, no_auction=True), "agreed"),
        (figures("100", no_auction=True), figures("100", 799), "disagree"),
        (figures("100"), figures("101", no_auction=True), "disagree"),  # the close is not let pass wider
        (figures("100"), figures("100", None), "agreed"),
        (figures("100"), figures("100", 0), "disagree"),
        (figures("100", 0), figures("100", 0), "agreed"),
        (figures("100"), figures("150", final=False), "moving"),
        (figures("100"), None, "missing"),
        (None, figures("100", final=False), "missing"),
    ],
)
def test_the_verdict(first: Figures | None, second: Figures | None, verdict: str) -> None:
    assert compare(first, second, TOLERANCE).verdict == verdict


def test_the_differences_are_those_of_the_second_to_the_first() -> None:
    outcome = compare(figures("80", 1000), figures("100", 800), TOLERANCE)
    assert (outcome.close_bps, outcome.volume_percent) == (2000, -20)
    assert compare(figures("80"), None, TOLERANCE).close_bps is None


some_figures = st.builds(
    Figures,
    st.decimals(Decimal("0.01"), Decimal(10_000), places=6),
    st.none() | st.integers(0, 10**9).map(Decimal),
    st.booleans(),
    st.booleans(),
)


@given(some_figures, some_figures)
def test_the_order_of_the_vendors_changes_signs_only(first: Figures, second: Figures) -> None:
    one, other = compare(first, second, TOLERANCE), compare(second, first, TOLERANCE)
    assert (one.verdict, one.volume_tolerance) == (other.verdict, other.volume_tolerance)
    assert one.close_bps is not None and other.close_bps is not None
    assert one.close_bps == -other.close_bps
    assert (one.volume_percent is None) == (first.volume is None or second.volume is None)


@given(some_figures, some_figures, st.integers(0, 100), st.integers(0, 100))
def test_a_wider_tolerance_never_finds_a_new_difference(first: Figures, second: Figures, bps: int, more: int) -> None:
    def verdict(allowed: int) -> str:
        return compare(first, second, Tolerance(Decimal(allowed), Decimal(allowed), Decimal(allowed))).verdict

    if verdict(bps) == "agreed":
        assert verdict(bps + more) == "agreed"


def test_the_two_most_trusted_vendors_are_compared_unless_others_are_named() -> None:
    judging = Judging(bar_sources=("yahoo", "alpha_vantage"))
    assert judging.choose({"alpha_vantage", "zz", "yahoo"}) == (("yahoo", "alpha_vantage"),)
    assert judging.choose({"yahoo", "yahoo_minutes", "yahoo_stream_ticks"}) == ()  # all of them Yahoo's
    assert judging.choose({"simulator_ticks", "bokeh"}) == (("bokeh", "simulator_ticks"),)
    assert judging.choose(set()) == ()
    named = Judging(bar_sources=("yahoo",), pairs=(("yahoo", "yahoo_minutes"),))
    assert named.choose({"alpha_vantage", "yahoo"}) == (("yahoo", "yahoo_minutes"),)


def test_what_is_judged_by_is_told_apart() -> None:
    plain = Judging(bar_sources=("yahoo",))
    listed = Judging(bar_sources=("yahoo",), universe=Universe.of_symbols(["IBM"]))
    assert plain.digest == Judging(bar_sources=("yahoo",)).digest
    assert len({plain.digest, listed.digest, Judging(bar_sources=("other",)).digest}) == 3


def test_settings() -> None:
    quality = Settings({}).quality
    assert (quality.pairs, quality.require_agreement, quality.tolerance) == ((), False, Tolerance())
    given_ = Settings(
        {
            "RECONCILE": "yahoo, alpha_vantage; yahoo,alpha_vantage_minutes;",
            "RECONCILE_CLOSE_BPS": "2.5",
            "RECONCILE_VOLUME_PERCENT": "1",
            "RECONCILE_NO_AUCTION_PERCENT": "40",
            "REQUIRE_AGREEMENT": "true",
        }
    ).quality
    assert given_.pairs == (("yahoo", "alpha_vantage"), ("yahoo", "alpha_vantage_minutes"))
    assert given_.tolerance == Tolerance(Decimal("2.5"), Decimal("1.0"), Decimal("40.0"))
    assert given_.require_agreement


@pytest.mark.parametrize("text", ["yahoo", "yahoo,yahoo", "a,b,c"])
def test_a_pair_is_two_names(text: str) -> None:
    with pytest.raises(PermanentError, match="RECONCILE"):
        _ = Settings({"RECONCILE": text}).quality.pairs


@pytest.mark.parametrize("text", ["-1", "nan"])
def test_a_tolerance_is_not_below_zero(text: str) -> None:
    with pytest.raises(PermanentError, match="RECONCILE_CLOSE_BPS"):
        _ = Settings({"RECONCILE_CLOSE_BPS": text}).quality.tolerance


def test_rules_of_single_rows() -> None:
    bar = {"open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": None, "trading_day": date(2013, 3, 1)}
    assert broken_rules(DAILY_BARS, bar) == []
    assert broken_rules(DAILY_BARS, bar | {"high": 1.5}) == [
        "high 1.5 is below open 2.0",
        "high 1.5 is below close 2.0",
    ]
    assert broken_rules(DAILY_BARS, bar | {"low": 0.0}) == ["low is 0.0"]
    assert broken_rules(DAILY_BARS, bar | {"volume": -1}) == ["volume is -1"]
