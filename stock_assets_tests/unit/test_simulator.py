"""Simulated sessions: only the rules of meaning find the bar again that they were made from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stock_assets.domain.eligibility import CONDITIONS, Condition
from stock_assets.domain.messages import Tick, decode, encode, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, calendar, session
from stock_assets.sources.simulator import DayBar, market_session, session_ticks

RULES = {condition.code: condition for condition in CONDITIONS if condition.source == "simulator"}
WHOLE_DAY, HALF_DAY = date(2013, 2, 28), date(2012, 11, 23)
IBM = DayBar("IBM", WHOLE_DAY, 201.9, 203.02, 200.13, 200.83, 4_612_300)


def regular_bar(ticks: Iterable[Tick]) -> DayBar:
    """The regular session's bar, found trade by trade in order of event time."""
    first = next(iter(ticks))
    held = session(datetime.fromtimestamp(first.event_time / 1e6, UTC).date())
    opened, closed = instant(held.open_time), instant(held.close_time)
    last_print = instant(held.close_time + CLOSING_PRINT_GRACE)
    opening = closing = first_price = last_price = high = low = None
    volume = 0
    for tick in sorted({tick.event_id: tick for tick in ticks}.values(), key=lambda tick: tick.event_time):
        rules = [RULES[code] for code in tick.conditions or []]
        is_close = any(rule.closing_print for rule in rules)
        if tick.event_time < opened or tick.event_time >= (last_print if is_close else closed):
            continue
        if any(rule.extended for rule in rules):
            continue
        if all(rule.updates_volume for rule in rules):
            volume += tick.size or 0
        if all(rule.updates_high_low for rule in rules):
            high = tick.price if high is None else max(high, tick.price)
            low = tick.price if low is None else min(low, tick.price)
        if all(rule.updates_open for rule in rules) and first_price is None:
            first_price = tick.price
        if all(rule.updates_last for rule in rules):
            last_price = tick.price
        if any(rule.opening_print for rule in rules):
            opening = tick.price
        if is_close:
            closing = tick.price
    found_open, found_close = opening or first_price, closing or last_price
    assert found_open and found_close and high and low
    return DayBar(first.symbol, held.day, found_open, high, low, found_close, volume)


def bar_by_clock(ticks: list[Tick]) -> DayBar:
    """What a consumer without rules makes of the same ticks: every record between the bells, as it arrived."""
    held = session(WHOLE_DAY)
    opened, closed = instant(held.open_time), instant(held.close_time)
    regular = [tick for tick in ticks if opened <= tick.event_time < closed]
    by_time = sorted(regular, key=lambda tick: tick.event_time)
    prices = [tick.price for tick in regular]
    volume = sum(tick.size or 0 for tick in regular)
    return DayBar("IBM", WHOLE_DAY, by_time[0].price, max(prices), min(prices), by_time[-1].price, volume)


@st.composite
def day_bars(draw: st.DrawFn) -> DayBar:
    """Bars in cents, or in hundredths of cents as some vendors have them; flat ones and empty ones among them."""
    unit = draw(st.sampled_from([0.01, 0.0001]))
    low = draw(st.integers(round(1 / unit), round(900 / unit)))
    high = low + draw(st.integers(0, round(50 / unit)))
    opened, closed = draw(st.integers(low, high)), draw(st.integers(low, high))
    prices = [round(price * unit, 4) for price in (opened, high, low, closed)]
    day = draw(st.sampled_from([WHOLE_DAY, HALF_DAY, *sorted(calendar().half_days)[-3:]]))
    return DayBar("SIM", day, *prices, volume=draw(st.integers(0, 10**9)))


@given(day_bars(), st.integers(0, 2**32), st.integers(7, 120))
def test_the_regular_session_adds_up_to_the_bar_exactly(bar: DayBar, seed: int, trades: int) -> None:
    assert regular_bar(session_ticks(bar, seed, trades)) == bar


def test_every_tick_fits_its_schema() -> None:
    ticks = session_ticks(IBM, 1)
    assert all(decode(Tick, encode(tick)) == tick for tick in ticks)
    assert len({tick.event_id for tick in ticks}) > 2000


def test_a_half_day_ends_at_one() -> None:
    bar = replace(IBM, day=HALF_DAY)
    regular = [t for t in session_ticks(bar, 1) if not t.conditions]
    assert max(tick.event_time for tick in regular) < instant(datetime(2012, 11, 23, 18, tzinfo=UTC))
    assert regular_bar(session_ticks(bar, 1)) == bar


def test_the_same_seed_gives_the_same_ticks_and_another_seed_others() -> None:
    assert session_ticks(IBM, 1) == session_ticks(IBM, 1)
    assert session_ticks(IBM, 1) != session_ticks(IBM, 2)
    assert session_ticks(IBM, 1)[0].price != session_ticks(replace(IBM, symbol="MSFT"), 1)[0].price


def test_late_repeated_and_extended_ticks_are_among_them() -> None:
    ticks = session_ticks(IBM, 1)
    repeated = [event_id for event_id, count in Counter(tick.event_id for tick in ticks).items() if count > 1]
    assert len(repeated) >= 5
    late = sum(now.event_time < before.event_time for before, now in pairwise(ticks))
    assert late >= 5
    held = session(WHOLE_DAY)
    extended = [tick for tick in ticks if tick.conditions == ["T"]]
    assert any(tick.event_time < instant(held.open_time) for tick in extended)
    assert any(tick.event_time > instant(held.close_time) for tick in extended)
    assert any(not IBM.low <= tick.price <= IBM.high for tick in extended)


@pytest.mark.parametrize("seed", range(5))
def test_without_the_rules_another_bar_comes_out(seed: int) -> None:
    by_clock = bar_by_clock(session_ticks(IBM, seed))
    assert by_clock.open != IBM.open
    assert by_clock.high > IBM.high
    assert by_clock.close != IBM.close
    assert by_clock.volume != IBM.volume


@pytest.mark.parametrize(
    ("code", "figure"),
    [("O", "open"), ("6", "close"), ("6", "volume"), ("W", "high"), ("M", "volume"), ("T", "volume")],
)
def test_each_rule_is_needed(monkeypatch: pytest.MonkeyPatch, code: str, figure: str) -> None:
    """A code that is not known lets a trade pass as any other; the official close and late prints as a closing print."""
    as_any_other = Condition("simulator", code, closing_print=code in ("M", "T"))
    monkeypatch.setitem(RULES, code, as_any_other)
    assert getattr(regular_bar(session_ticks(IBM, 1)), figure) != getattr(IBM, figure)


def test_repeats_must_be_dropped() -> None:
    ticks = [structs.replace(tick, event_id=str(number)) for number, tick in enumerate(session_ticks(IBM, 1))]
    assert regular_bar(ticks).volume > IBM.volume


def test_sessions_of_several_symbols_are_one_stream_in_which_late_ticks_come_late() -> None:
    msft = replace(IBM, symbol="MSFT", open=27.9, high=28.1, low=27.7, close=27.8)
    ticks = market_session([IBM, msft], 1)
    for bar in (IBM, msft):
        assert [tick for tick in ticks if tick.symbol == bar.symbol] == session_ticks(bar, 1)
    punctual = [now.event_time >= before.event_time for before, now in pairwise(ticks)]
    assert 5 < punctual.count(False) < 60
