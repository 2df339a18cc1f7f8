"""symbols, sessions, seed -> a history of any size: actions, daily bars, and ticks of the newest sessions that agree with them.

Belongs here: a made-up market whose symbols move together, with splits, dividends and days of much and of little trade. The
same numbers give the same messages, and those of a symbol do not depend on how many others there are.
Does not belong here: ticks without an end (``simulated_market``), and the ticks of one bar (``simulator``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from stock_assets.domain.messages import Action, Message, instant
from stock_assets.domain.sessions import session
from stock_assets.sources.simulator import SOURCE, DayBar, daily_bar, session_ticks

if TYPE_CHECKING:
    import numpy as np

PREFIX = "SEED"
"""Beside the simulator's ``SIM0``, which nobody expects on a day: these trade on every session of their history."""
MARKET_MOVE, OWN_MOVE = 0.008, 0.012
"""Standard deviations, per session, of the return that all share and of a symbol's own."""
SPLIT_ABOVE = 250.0
"""Dollars at which a company splits its shares, four for one."""
DIVIDEND_EVERY = 63
"""Sessions between two dividends of the symbols that pay any: every third."""


@dataclass(frozen=True)
class Made:
    """One symbol's history, in arrays, as a decade of a thousand symbols is millions of bars.

    Attributes:
        prices: open, high, low and close of each session, in dollars, as traded.
        volumes: shares of each session.
        actions: splits and dividends, which explain the jumps.
    """

    symbol: str
    prices: np.ndarray[Any, Any]
    volumes: np.ndarray[Any, Any]
    actions: list[Action]

    def bar(self, place: int, day: date) -> DayBar:
        """The bar of the session at ``place``."""
        opened, high, low, closed = self.prices[:, place].tolist()
        return DayBar(self.symbol, day, opened, high, low, closed, int(self.volumes[place]))


def made_history(
    symbols: int, days: Sequence[date], seed: int, tick_sessions: int = 1, trades: int = 200
) -> Iterator[Message]:
    """All actions, then the bars session by session, then the ticks of the last ``tick_sessions``.

    Args:
        symbols: how many, called ``SEED0``, ``SEED1`` and so on.
        days: sessions, ascending.
        trades: regular trades of a symbol and session; at least 7.
    """
    market = _generator(seed).normal(0.0004, MARKET_MOVE, len(days))
    made = [_make(number, days, market, seed) for number in range(symbols)]
    for each in made:
        yield from each.actions
    for place in range(len(days)):
        yield from (daily_bar(each.bar(place, days[place]), SOURCE) for each in made)
    for place in range(max(0, len(days) - tick_sessions), len(days)):
        for each in made:
            yield from session_ticks(each.bar(place, days[place]), seed, trades)


def _generator(*seed: int) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(seed)


def _make(number: int, days: Sequence[date], market: np.ndarray[Any, Any], seed: int) -> Made:
    import numpy as np

    symbol, chance = f"{PREFIX}{number}", _generator(seed, number + 1)
    level, sensitivity, usual = chance.uniform(20, 240), chance.uniform(0.5, 1.5), chance.uniform(12, 17)
    moves = market * sensitivity + chance.normal(0, OWN_MOVE, len(days))
    gaps = chance.normal(0, OWN_MOVE / 3, len(days))
    reach = np.abs(chance.normal(0, OWN_MOVE / 2, (2, len(days))))
    # more is traded on days that move much
    volumes = np.exp(usual + chance.normal(0, 0.3, len(days)) + 12 * np.abs(moves)).astype(np.int64)
    prices, actions, shares = np.empty((4, len(days))), list[Action](), 1
    for place, day in enumerate(days):
        before = level
        if level > SPLIT_ABOVE and place:
            level, before, shares = level / 4, before / 4, shares * 4
            actions.append(_action(symbol, day, "split", 4.0))
        if number % 3 == 0 and place and place % DIVIDEND_EVERY == number % DIVIDEND_EVERY:
            cash = round(level * 0.006, 2)
            level -= cash
            actions.append(_action(symbol, day, "dividend", cash))
        level = max(1.0, level * float(np.exp(moves[place])))
        opened, closed = round(max(1.0, before * float(np.exp(gaps[place]))), 2), round(level, 2)
        high = round(max(opened, closed) * (1 + float(reach[0, place])) + 0.01, 2)
        low = round(max(0.5, min(opened, closed) * (1 - float(reach[1, place])) - 0.01), 2)
        prices[:, place] = opened, high, low, closed
        volumes[place] *= shares
    return Made(symbol, prices, volumes, actions)


def _action(symbol: str, day: date, kind: str, value: float) -> Action:
    return Action(
        symbol=symbol,
        ex_date=day,
        kind="split" if kind == "split" else "dividend",
        value=value,
        currency=None if kind == "split" else "USD",
        source=SOURCE,
        known_at=instant(session(day).open_time),
    )
