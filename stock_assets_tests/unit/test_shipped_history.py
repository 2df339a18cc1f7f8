"""The offline input of the demo: what adjusted closes tell of splits and dividends, and real bars as they were traded."""

from collections import Counter
from datetime import date
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.messages import Action, Bar, Message, Tick, decode, encode, instant
from stock_assets.domain.sessions import is_session, session, sessions_between
from stock_assets.sources.shipped_history import SIMULATED_SESSIONS, infer_actions, shipped_messages
from stock_assets.sources.simulator import DayBar
from stock_assets_tests.unit.test_simulator import regular_bar

SYMBOLS = ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
DAYS = sessions_between(date(2012, 1, 3), date(2012, 2, 3))


@cache
def messages() -> list[Message]:
    return list(shipped_messages(date(2000, 1, 3)))


def actions(kind: str) -> dict[tuple[str, date], float]:
    return {(m.symbol, m.ex_date): m.value for m in messages() if isinstance(m, Action) and m.kind == kind}


def bars() -> dict[tuple[str, date], Bar]:
    return {(m.symbol, m.trading_day): m for m in messages() if isinstance(m, Bar)}


def test_splits_are_those_that_happened() -> None:
    assert actions("split") == {
        ("AAPL", date(2000, 6, 21)): 2.0,
        ("AAPL", date(2005, 2, 28)): 2.0,
        ("MSFT", date(2003, 2, 18)): 2.0,
    }


def test_a_fall_by_half_is_no_split() -> None:
    before, after = bars()["AAPL", date(2000, 9, 28)], bars()["AAPL", date(2000, 9, 29)]
    assert after.close / before.close < 0.49
    assert not any(("AAPL", date(2000, 9, 29)) in actions(kind) for kind in ("split", "dividend"))


@pytest.mark.parametrize(
    ("symbol", "day", "paid"),
    [
        ("AAPL", date(2012, 8, 9), 2.65),
        ("AAPL", date(2012, 11, 7), 2.65),
        ("AAPL", date(2013, 2, 7), 2.65),
        ("MSFT", date(2003, 2, 19), 0.08),
        ("MSFT", date(2004, 11, 15), 3.08),
        ("IBM", date(2005, 2, 8), 0.18),
        ("IBM", date(2008, 5, 7), 0.50),
        ("IBM", date(2012, 5, 8), 0.85),
    ],
)
def test_dividends_are_those_that_were_paid(symbol: str, day: date, paid: float) -> None:
    """To a few per cent: the adjusted closes are rounded to the cent."""
    assert actions("dividend")[symbol, day] == pytest.approx(paid, rel=0.05)


def test_every_dividend_of_ibm_is_found_and_none_invented() -> None:
    found = [day for symbol, day in actions("dividend") if symbol == "IBM"]
    assert Counter(day.year for day in found) == {2000: 3, **dict.fromkeys(range(2001, 2013), 4), 2013: 1}
    assert not [symbol for symbol, _ in actions("dividend") if symbol in ("FB", "GOOG")]


@given(
    st.lists(st.floats(0.4, 2.2), min_size=len(DAYS), max_size=len(DAYS)),
    st.dictionaries(st.integers(1, len(DAYS) - 1), st.sampled_from([2.0, 3.0, 7.0, 1.5, 0.5]), max_size=2),
    st.dictionaries(st.integers(1, len(DAYS) - 1), st.floats(0.01, 0.2), max_size=4),
)
def test_actions_are_found_whatever_the_prices_do(
    moves: list[float], splits: dict[int, float], dividends: dict[int, float]
) -> None:
    """A history is made with known actions, adjusted as vendors do, and the actions are found again."""
    dividends = {number: share for number, share in dividends.items() if number not in splits}
    closes, adjusted = [100.0], [1.0] * len(DAYS)
    for number, move in enumerate(moves[1:], start=1):
        closes.append(min(max(closes[-1] * move, 0.5), 5000.0) / splits.get(number, 1.0))
    factor = 1.0
    for number in reversed(range(len(DAYS))):
        adjusted[number] = closes[number] * factor
        factor *= (1 - dividends.get(number, 0.0)) / splits.get(number, 1.0)
    found = list(infer_actions("X", list(zip(DAYS, closes, adjusted, strict=True))))
    assert {a.ex_date: a.value for a in found if a.kind == "split"} == {DAYS[n]: ratio for n, ratio in splits.items()}
    paid = {DAYS[n]: closes[n - 1] * share for n, share in dividends.items()}
    assert {a.ex_date: a.value for a in found if a.kind == "dividend"} == pytest.approx(paid, rel=1e-3, abs=1e-3)


def test_bars_begin_where_asked_and_are_sessions_as_traded() -> None:
    first = date(2012, 1, 3)
    late = [m for m in shipped_messages(first) if isinstance(m, Bar)]
    assert {bar.symbol for bar in late} == set(SYMBOLS) and min(bar.trading_day for bar in late) == first
    assert late == [bar for bar in bars().values() if bar.trading_day >= first]
    assert all(is_session(bar.trading_day) and bar.final and bar.price_basis == "as_traded" for bar in late)
    known = bars()["AAPL", date(2000, 3, 1)]
    assert (known.open, known.high, known.low, known.close, known.volume) == (118.56, 132.06, 118.5, 130.31, 9_616_100)
    assert known.start_time == instant(session(date(2000, 3, 1)).open_time)


def test_all_actions_come_whatever_the_first_bar() -> None:
    """A bar is read with the actions before it, so none is left out."""
    late = [m for m in shipped_messages(date(2013, 1, 2)) if isinstance(m, Action)]
    assert len(late) == len(actions("split")) + len(actions("dividend"))


def test_every_message_fits_its_schema() -> None:
    for message in messages():
        assert decode(type(message), encode(message)) == message


def test_the_last_sessions_ticks_agree_with_the_real_bars() -> None:
    ticks: dict[tuple[str, date], list[Tick]] = {}
    for message in messages():
        if isinstance(message, Tick) and "saturday" not in message.event_id:
            symbol, day, _ = message.event_id.split("/")
            ticks.setdefault((symbol, date.fromisoformat(day)), []).append(message)
    newest = sorted({day for _, day in bars()})[-SIMULATED_SESSIONS:]
    assert sorted(ticks) == sorted((symbol, day) for symbol in SYMBOLS for day in newest)
    for (symbol, day), of_day in ticks.items():
        real = bars()[symbol, day]
        assert real.volume is not None
        expected = DayBar(symbol, day, real.open, real.high, real.low, real.close, real.volume)
        assert regular_bar(of_day) == expected


def test_two_ticks_of_a_saturday_are_there_to_be_rejected() -> None:
    misplaced = [m for m in messages() if isinstance(m, Tick) and "saturday" in m.event_id]
    assert len(misplaced) == len({tick.event_id for tick in misplaced}) == 2
    assert {tick.event_time // 86_400_000_000 for tick in misplaced} == {date(2013, 3, 2).toordinal() - 719_163}


def test_bars_of_a_symbol_ascend_without_a_repeat() -> None:
    for symbol in SYMBOLS:
        days = [m.trading_day for m in messages() if isinstance(m, Bar) and m.symbol == symbol]
        assert all(earlier < later for earlier, later in pairwise(days))
