"""minute bars -> their anomalies, in plain Python, one minute after the other.

Belongs here: the rules of ``stock_assets/quality/anomalies.py`` written a second time, from their description alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from statistics import median
from typing import Any

from stock_assets.domain.sessions import all_sessions, session

Row = dict[str, Any]
Minutes = Mapping[datetime, Row]
MINUTE = timedelta(minutes=1)


def anomalies(
    bars: Iterable[Row],
    days: Iterable[date],
    ex_dates: Iterable[tuple[str, date]] = (),
    splits: Mapping[tuple[str, str], Sequence[tuple[date, float]]] | None = None,
) -> list[Row]:
    """symbol, source, start_time, kind, z, n of each."""
    skipped = set(ex_dates)
    of: dict[tuple[str, str], dict[date, dict[datetime, Row]]] = defaultdict(lambda: defaultdict(dict))
    for bar in bars:
        times = session(bar["trading_day"])
        if bar["phase"] == "regular" and times.open_time <= bar["start_time"] < times.close_time:
            of[bar["symbol"], bar["source"]][bar["trading_day"]][bar["start_time"]] = bar
    found = []
    for (symbol, source), sessions in of.items():
        for day in days:
            if day in sessions and (symbol, day) not in skipped:
                own = _of_session(sessions, day, (splits or {}).get((symbol, source), ()))
                found += [{"symbol": symbol, "source": source, **row} for row in own]
    return sorted(found, key=lambda row: (row["symbol"], row["source"], row["start_time"]))


def _of_session(sessions: Mapping[date, Minutes], day: date, splits: Sequence[tuple[date, float]]) -> Iterable[Row]:
    known, times = all_sessions(), session(day)
    before = known[known.index(day) - 20 : known.index(day)]
    minutes, taken_back = sessions[day], None

    @cache
    def usual_of(kind: str, slot: int) -> list[list[float]]:
        return _slots(sessions, before, slot, returns if kind == "return" else shares)

    def returns(own: Minutes, at: datetime, _: date) -> float | None:
        return _scaled(own, at)

    def shares(own: Minutes, at: datetime, on: date) -> float | None:
        factor = math.prod(value for ex_date, value in splits if on < ex_date <= day)
        return None if own[at]["volume"] is None else math.log1p(float(own[at]["volume"]) * factor)

    for minute in sorted(minutes):
        slot = (minute - times.open_time) // timedelta(minutes=5)
        if not 0 < slot < (times.close_time - times.open_time) // timedelta(minutes=5) - 1:
            continue
        moved = _scaled(minutes, minute)
        if moved is not None and minute != taken_back:
            floor = _tick(minutes, minute) / _volatility(minutes, minute)
            usual = usual_of("return", slot)
            judged = _judge(moved, usual, floor)
            if judged and abs(judged[0]) >= 6:
                now, after = _return(minutes, minute), _return(minutes, minute + MINUTE)
                back = after is not None and abs(now + after) <= 0.25 * abs(now)
                taken_back = minute + MINUTE if back else taken_back
                kind = "suspect_print" if back else "jump"
                yield {"start_time": minute, "kind": kind, "z": judged[0], "n": judged[1]}
                continue
        if minutes[minute]["volume"] is None:
            continue
        usual = usual_of("shares", slot)
        judged = _judge(math.log1p(float(minutes[minute]["volume"])), usual, 0.1)
        if judged and judged[0] >= 6:
            yield {"start_time": minute, "kind": "block", "z": judged[0], "n": judged[1]}


def _slots(sessions: Mapping[date, Minutes], days: Sequence[date], slot: int, value: Any) -> list[list[float]]:
    """Per session that has any the values of a slot."""
    found = []
    for day in days:
        first = session(day).open_time + slot * timedelta(minutes=5)
        own = sessions.get(day, {})
        values = [value(own, first + n * MINUTE, day) for n in range(5) if first + n * MINUTE in own]
        if known := [each for each in values if each is not None]:
            found.append(known)
    return found


def _judge(value: float, usual: list[list[float]], floor: float) -> tuple[float, int] | None:
    if len(usual) < 10:
        return None
    values = [each for own in usual for each in own]
    middle = median(values)
    mad = median(abs(each - middle) for each in values)
    return round((value - middle) / max(1.4826 * mad, floor), 6), len(usual)


def _return(minutes: Minutes, minute: datetime) -> Any:
    if minute not in minutes or minute - MINUTE not in minutes:
        return None
    return math.log(float(minutes[minute]["close"]) / float(minutes[minute - MINUTE]["close"]))


def _tick(minutes: Minutes, minute: datetime) -> float:
    return 0.01 / float(minutes[minute - MINUTE]["close"])


def _volatility(minutes: Minutes, minute: datetime) -> float:
    moves = [_return(minutes, minute - n * MINUTE) for n in range(1, 31)]
    return max(1.4826 * median(abs(each) for each in moves if each is not None), _tick(minutes, minute))


def _scaled(minutes: Minutes, minute: datetime) -> float | None:
    moved = _return(minutes, minute)
    recent = [_return(minutes, minute - n * MINUTE) for n in range(1, 31)]
    if moved is None or sum(each is not None for each in recent) < 4:
        return None
    return float(moved) / _volatility(minutes, minute)
