"""Made-up histories: the same from the same seed, explained by their own actions, and found again from their ticks."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date
from itertools import groupby, pairwise

import pytest

from stock_assets.commands.seed import _sessions
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.messages import Action, Bar, Message, Tick, decode, encode
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.universe import SIMULATED
from stock_assets.settings.platform import Settings
from stock_assets.sources.simulated_history import made_history
from stock_assets.sources.simulator import DayBar
from stock_assets_tests.unit.test_simulator import regular_bar

DAYS = sessions_between(date(2013, 1, 2), date(2022, 12, 30))


def made(symbols: int, days: int, seed: int = 1) -> list[Message]:
    return list(made_history(symbols, DAYS[-days:], seed))


@pytest.fixture(scope="module")
def decade() -> list[Message]:
    return list(made_history(12, DAYS, 7, tick_sessions=2))


def test_the_same_numbers_give_the_same_bytes_and_another_seed_others() -> None:
    def digest(seed: int) -> str:
        return hashlib.sha256(b"".join(map(encode, made(3, 40, seed)))).hexdigest()

    assert digest(1) == digest(1) != digest(2)


def test_a_symbol_s_data_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = ([encode(each) for each in made(count, 30) if each.symbol in ("SEED0", "SEED1")] for count in (2, 9))
    assert sorted(few) == sorted(many)


def test_it_is_as_large_as_asked_and_every_message_is_good(decade: list[Message]) -> None:
    kinds = Counter(type(each) for each in decade)
    assert kinds[Bar] == 12 * len(DAYS) > 30_000
    assert kinds[Tick] >= 12 * 2 * 200
    keys = Counter((each.symbol, each.trading_day) for each in decade if isinstance(each, Bar))
    assert set(keys.values()) == {1} and {day for _, day in keys} == set(DAYS)
    assert all(decode(type(each), encode(each)) == each for each in decade[::10])
    assert not any(SIMULATED.fullmatch(each.symbol) for each in decade)  # these are expected on their days


def test_its_actions_explain_its_jumps_and_nothing_else_jumps(decade: list[Message]) -> None:
    actions = {(each.symbol, each.ex_date, each.kind): each.value for each in decade if isinstance(each, Action)}
    assert {kind for *_, kind in actions} == {"split", "dividend"}
    bars = sorted((each for each in decade if isinstance(each, Bar)), key=lambda bar: (bar.symbol, bar.trading_day))
    for symbol, history in groupby(bars, key=lambda bar: bar.symbol):
        for before, after in pairwise(history):
            split = actions.get((symbol, after.trading_day, "split"), 1.0)
            assert 0.85 < after.close * split / before.close < 1.18, (symbol, after.trading_day)
            assert (after.close / before.close < 0.5) == (split == 4.0)


def test_the_symbols_move_together(decade: list[Message]) -> None:
    import numpy as np

    bars = sorted((each for each in decade if isinstance(each, Bar)), key=lambda bar: (bar.symbol, bar.trading_day))
    closes = np.array([bar.close for bar in bars]).reshape(12, len(DAYS))
    steps = np.diff(np.log(closes))
    steps = np.where(np.abs(steps) > 0.3, 0.0, steps)  # splits
    related = np.corrcoef(steps)[np.triu_indices(12, 1)]
    assert 0.1 < related.min() and 0.2 < related.mean() < 0.6


def test_the_newest_sessions_ticks_are_the_bars(decade: list[Message]) -> None:
    ticks: dict[tuple[str, str], list[Tick]] = {}
    for each in decade:
        if isinstance(each, Tick):
            ticks.setdefault((each.symbol, each.event_id.split("/")[1]), []).append(each)
    bars = {(each.symbol, str(each.trading_day)): each for each in decade if isinstance(each, Bar)}
    assert {day for _, day in ticks} == set(map(str, DAYS[-2:])) and len(ticks) == 24
    for key, of_day in ticks.items():
        bar = bars[key]
        assert regular_bar(of_day) == DayBar(
            bar.symbol, bar.trading_day, bar.open, bar.high, bar.low, bar.close, int(bar.volume or 0)
        )


def test_sessions_end_with_the_one_named_and_stay_within_the_partitions() -> None:
    settings = Settings({"FIRST_SESSION": "2013-01-02"})
    assert _sessions(settings, 3, "2013-01-07") == [date(2013, 1, 3), date(2013, 1, 4), date(2013, 1, 7)]
    assert len(_sessions(settings, 252, "")) == 252
    with pytest.raises(PermanentError, match=r"there are 4 sessions, not 5"):
        _sessions(settings, 5, "2013-01-07")
    with pytest.raises(PermanentError, match="UNIVERSE"):
        _sessions(Settings({"UNIVERSE": "AAPL"}), 1, "")
