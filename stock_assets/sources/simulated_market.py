"""symbols, seed, rate -> ticks without an end, as many a second as a busy exchange sends.

Belongs here: a market whose symbols move together, its deliberate faults, and when each of its ticks is due. The same seed
gives the same ticks.
Does not belong here: sessions that must agree with a bar (``simulator``), publishing and waiting.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session
from stock_assets.sources.simulator import SOURCE

if TYPE_CHECKING:
    import numpy as np

MARKET_MOVE, OWN_MOVE = 0.00012, 0.00016
"""Standard deviations, per tick of a symbol, of the return that all share and of its own: correlations are about 0.36."""
_BLOCK_TICKS = 10_000

Due = tuple[float, "Tick | bytes"]
"""Seconds after the start at which a record is to be published, and the record."""


def endless_ticks(symbols: Sequence[str], seed: int, started: datetime, rate_per_s: float) -> Iterator[Tick]:
    """A random walk per symbol, in turn, ``rate_per_s`` ticks a second in all, event times from ``started`` on.

    All symbols share the moves of a market, each with a sensitivity of its own from 0.5 to 1.5.
    """
    import numpy as np

    chance, names = np.random.default_rng(seed), list(symbols)
    rounds = max(1, _BLOCK_TICKS // len(names))
    level = np.log(chance.uniform(20, 500, len(names)))
    sensitivity = chance.uniform(0.5, 1.5, len(names))
    begin, first = instant(started), 0
    while True:
        level, prices = _walk(chance, level, sensitivity, rounds)
        count = rounds * len(names)
        numbers = range(first, first + count)
        times = begin + np.rint(np.arange(first, first + count) / rate_per_s * 1e6).astype(np.int64)
        sizes = chance.integers(1, 6, count) * 100
        columns = zip(names * rounds, times.tolist(), prices.tolist(), sizes.tolist(), numbers, strict=True)
        for symbol, event_time, price, size, number in columns:
            yield Tick(
                symbol=symbol,
                event_time=event_time,
                price=price,
                currency="USD",
                source=SOURCE,
                event_id=f"{seed}/{begin}/{number}",
                size=size,
                sequence=number,
            )
        first += count


def market_without_end(symbols: Sequence[str], seed: int, started: datetime, rate_per_s: float) -> Iterator[Tick]:
    """``endless_ticks`` at every hour of days that have a session, in the exchange's zone; none on other days."""
    at = started
    while True:
        begins, at = _days_of_sessions(at)
        for tick in endless_ticks(symbols, seed, begins, rate_per_s):
            if tick.event_time >= instant(at):
                break
            yield tick


def _days_of_sessions(at: datetime) -> tuple[datetime, datetime]:
    """The first instant from ``at`` on whose day has a session, and the midnight that ends such days."""
    day = at.astimezone(EXCHANGE_ZONE).date()
    begins = at
    while not is_session(day):
        day += timedelta(days=1)
        begins = datetime.combine(day, time(), EXCHANGE_ZONE)
    while is_session(day):
        day += timedelta(days=1)
    return begins, datetime.combine(day, time(), EXCHANGE_ZONE)


def _walk(
    chance: np.random.Generator, level: np.ndarray, sensitivity: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of the prices after some rounds, and the prices of each round, round by round, in hundredths."""
    import numpy as np

    market = chance.normal(0, MARKET_MOVE, (rounds, 1))
    moves = market * sensitivity + chance.normal(0, OWN_MOVE, (rounds, len(level)))
    levels = np.maximum(level + np.cumsum(moves, axis=0), 0.0)
    return levels[-1], np.round(np.exp(levels), 2).ravel()


@dataclass(frozen=True)
class Faults:
    """Deliberate faults of the endless stream, as shares of its ticks."""

    duplicates: float = 0.0
    late: float = 0.0
    malformed: float = 0.0


def faulty(ticks: Iterable[Tick], faults: Faults, seed: int) -> Iterator[Tick | bytes]:
    """The ticks with some twice, some held back to the end, and some as bytes that break the schema."""
    if faults == Faults():
        yield from ticks
        return
    chance = random.Random(f"{seed}/faults")
    held_back: list[Tick] = []
    for tick in ticks:
        draw = chance.random()
        if draw < faults.malformed:
            yield encode(tick).replace(b'"price":', b'"price":-', 1)
        elif draw < faults.malformed + faults.late:
            held_back.append(tick)
        else:
            yield tick
            if chance.random() < faults.duplicates:
                yield tick
    yield from held_back


def due_at_rate(records: Iterable[Tick | bytes], rate_per_s: float) -> Iterator[Due]:
    """The records at a steady rate."""
    for number, record in enumerate(records):
        yield number / rate_per_s, record


def due_as_recorded(records: Iterable[Tick | bytes], speed: float, started: datetime | None = None) -> Iterator[Due]:
    """A session again, ``speed`` times as fast as it was; a tick that came late comes late again.

    Its event times stay those of the session. A record that is no tick is due with the one before it.

    Args:
        started: event time of what is due at once; by default that of the first tick.
    """
    first = instant(started) if started else None
    due = 0.0
    for record in records:
        if not isinstance(record, bytes):
            first = record.event_time if first is None else first
            due = max(due, (record.event_time - first) / 1e6 / speed)
        yield due, record
