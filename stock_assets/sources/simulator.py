"""real bars, seed -> simulated ticks of their sessions.

Belongs here: ticks of a session that agree exactly with a given bar. The same seed gives the same ticks.
Does not belong here: ticks without an end (``simulated_market``), publishing and pacing.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from stock_assets.domain.messages import Bar, Tick, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, Session, session

SOURCE = "simulator"
_US = 1_000_000


@dataclass(frozen=True)
class DayBar:
    """What a session's regular trades must add up to; prices as traded, volume in shares."""

    symbol: str
    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int


def daily_bar(bar: DayBar, source: str, adj_close: float | None = None) -> Bar:
    """The final bar of a session, known once its closing prints are in."""
    held = session(bar.day)
    return Bar(
        symbol=bar.symbol,
        interval="1d",
        trading_day=bar.day,
        start_time=instant(held.open_time),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        currency="USD",
        price_basis="as_traded",
        final=True,
        source=source,
        known_at=instant(held.close_time + CLOSING_PRINT_GRACE),
        adj_close=adj_close,
    )


def session_ticks(bar: DayBar, seed: int, trades: int = 2000) -> list[Tick]:
    """Ticks of one session whose regular open, high, low, close and volume are exactly the bar's; at least 7 trades.

    Among them, so that only the rules of meaning find the bar again: the opening print is not the first tick of the
    session, the closing print comes after the bell, extended-hours and average-price prints lie outside the day's
    range, a market centre's official close repeats volume, some ticks come late and some twice. In publishing order.
    """
    chance = random.Random(f"{seed}/{bar.symbol}/{bar.day}")
    held = session(bar.day)
    regular = _regular(bar, held, chance, trades)
    around = _around(bar, held, chance)
    ticks = sorted([*regular, *around], key=lambda tick: tick.event_time)
    late = chance.sample(ticks, max(1, len(ticks) // 200))
    twice = chance.sample(ticks, max(1, len(ticks) // 200))
    late_ids = {tick.event_id for tick in late}
    return [*(tick for tick in ticks if tick.event_id not in late_ids), *twice, *late]


def market_session(bars: Iterable[DayBar], seed: int) -> list[Tick]:
    """``session_ticks`` of several symbols in one publishing order: a tick that comes late for its symbol still does."""
    placed = []
    for bar in bars:
        seen = 0
        for tick in session_ticks(bar, seed):
            seen = max(seen, tick.event_time)
            placed.append((seen, tick))
    return [tick for _, tick in sorted(placed, key=lambda pair: pair[0])]


def _regular(bar: DayBar, held: Session, chance: random.Random, trades: int) -> list[Tick]:
    """Auctions, a bridge of prices between them that reaches high and low, and sizes that add up."""
    opened, closed = instant(held.open_time), instant(held.close_time)
    times = sorted(chance.randrange(opened + 3 * _US, closed - _US) for _ in range(trades - 3))
    # The first eligible tick is not the opening print, and the last before the bell not the close.
    times[0], times[-1] = opened + _US, closed - 1
    prices = _bridge(bar, chance, len(times))
    volumes = _split_volume(bar.volume, chance, len(times) + 3)
    ticks = [
        _tick(bar, "open", opened + 2 * _US, bar.open, volumes[0], ["O"]),
        _tick(bar, "close", closed + chance.randrange(_US, 60 * _US), bar.close, volumes[1], ["6"]),
        # An average-price print: its shares count, its price does not.
        _tick(bar, "average", (opened + closed) // 2, bar.high * 1.05, volumes[2], ["W"]),
    ]
    for number, (moment, price) in enumerate(zip(times, prices, strict=True)):
        ticks.append(_tick(bar, f"r{number}", moment, price, volumes[number + 3], None))
    return ticks


def _bridge(bar: DayBar, chance: random.Random, steps: int) -> list[float]:
    """A walk from open to close inside the day's range, in hundredths but for high and low themselves."""
    span = max(bar.high - bar.low, 0.01)
    walk = [0.0]
    for _ in range(steps):
        walk.append(walk[-1] + chance.gauss(0, span / 8 / max(steps, 1) ** 0.5))
    drift = (bar.close - bar.open - walk[-1]) / max(steps, 1)
    raw = [bar.open + walk[i] + drift * i for i in range(1, steps + 1)]
    prices = [min(bar.high, max(bar.low, round(price, 2))) for price in raw]
    top, bottom = chance.sample(range(1, steps - 1), 2)
    prices[top], prices[bottom] = bar.high, bar.low
    prices[0], prices[-1] = _elsewhere(bar, bar.open), _elsewhere(bar, bar.close)
    return prices


def _elsewhere(bar: DayBar, price: float) -> float:
    """Another price of the day's range, if it has one."""
    far = bar.high if bar.high - price >= price - bar.low else bar.low
    middle = round((price + far) / 2, 2)
    return middle if bar.low <= middle <= bar.high and middle != price else far


def _split_volume(volume: int, chance: random.Random, parts: int) -> list[int]:
    """Whole shares that add up to ``volume``; the auctions take more than the rest."""
    weights = [chance.expovariate(1.0) + 0.05 for _ in range(parts)]
    weights[0], weights[1] = parts * 0.02, parts * 0.07
    total = sum(weights)
    shares = [int(volume * weight / total) for weight in weights]
    shares[1] += volume - sum(shares)
    return shares


def _around(bar: DayBar, held: Session, chance: random.Random) -> list[Tick]:
    """Prints that must not move the regular bar."""
    ticks = []
    for number in range(40):
        before = chance.random() < 0.5
        first, last = (held.pre_open_time, held.open_time) if before else (held.close_time, held.post_close_time)
        moment = chance.randrange(instant(first), instant(last))
        price = round(chance.uniform(bar.low * 0.98, bar.high * 1.02), 2)
        ticks.append(_tick(bar, f"x{number}", moment, price, chance.randint(1, 9) * 100, ["T"]))
    official = instant(held.close_time + timedelta(seconds=70))
    ticks.append(_tick(bar, "official", official, bar.close, max(1, bar.volume // 20), ["M"]))
    return ticks


def _tick(bar: DayBar, name: str, moment: int, price: float, size: int, conditions: list[str] | None) -> Tick:
    return Tick(
        symbol=bar.symbol,
        event_time=moment,
        price=price,
        currency="USD",
        source=SOURCE,
        event_id=f"{bar.symbol}/{bar.day}/{name}",
        size=size,
        conditions=conditions,
    )
