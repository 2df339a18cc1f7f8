"""records that were sent -> the rows that must be built from them.

Belongs here: bars and metrics of an attack's records, by the plain reading of the rules, and what breaks a critical one.
Does not belong here: reading the lake and comparing (``reckoning``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from stock_assets_tests.chaos.market import SESSIONS, Body, Record, microseconds

SOURCES = ("yahoo", "alpha_vantage", "yahoo_minutes", "simulator_ticks")
"""Of daily bars, the most trusted first."""
UNIT = Decimal("0.000001")

Cell = tuple[str, date]
Key = tuple[str, date, str]
"""Symbol, session, source."""
Prices = tuple[Decimal, Decimal, Decimal, Decimal]
"""Open, high, low, close."""


@dataclass
class Expected:
    """What must be in the derived tables.

    Attributes:
        daily, withheld: of the daily bars, those that readers see, and the keys of those that they do not.
        minutes, withheld_minutes: symbol and start of vendors' minute bars.
        metrics: the close of each symbol and session.
    """

    daily: dict[Key, Prices] = field(default_factory=dict)
    withheld: set[Key] = field(default_factory=set)
    minutes: set[tuple[str, int]] = field(default_factory=set)
    withheld_minutes: set[tuple[str, int]] = field(default_factory=set)
    metrics: dict[Cell, Decimal] = field(default_factory=dict)


def expected(sent: Iterable[Record]) -> Expected:
    """The rows that follow from the records that are good."""
    found = Expected()
    bodies = [(record, record.fields) for record in sent if record.fields is not None]
    ticks = [body for _, body in bodies if "event_id" in body]
    days: dict[Key, list[tuple[Body, bool]]] = defaultdict(list)
    minutes: dict[tuple[str, str, int], list[tuple[Body, bool]]] = defaultdict(list)
    for record, body in bodies:
        if body.get("interval") == "1d":
            days[body["symbol"], date.fromisoformat(body["trading_day"]), body["source"]].append(
                (body, record.critical)
            )
        elif body.get("interval") == "1m":
            minutes[body["symbol"], body["trading_day"], body["start_time"]].append((body, record.critical))
    for key, statements in days.items():
        held = [(body, critical) for body, critical in statements if _factor(body) * body["high"] < 10**12]
        good = [body for body, critical in held if not critical]
        if good:
            newest = max(good, key=lambda body: body["known_at"])
            found.daily[key] = _prices(newest, _factor(newest))
        elif held:
            found.withheld.add(key)
    found.daily |= _of_minutes(minutes, found) | _of_ticks(ticks)
    for (symbol, day, source), prices in sorted(found.daily.items(), key=lambda entry: -SOURCES.index(entry[0][2])):
        found.metrics[symbol, day] = prices[3]
    return found


def breaks_a_rule(row: Mapping[str, Any]) -> bool:
    """Whether a bar, or a row with the figures of one, breaks a critical rule."""
    open_, high, low, close = (row[name] for name in ("open", "high", "low", "close"))
    if min(open_, high, low, close) <= 0 or high < max(open_, low, close) or low > min(open_, close):
        return True
    volume, rsi = row.get("volume"), row.get("rsi_14")
    return (volume is not None and volume < 0) or (rsi is not None and not 0 <= rsi <= 100)


def _factor(body: Body) -> float:
    """All adjusted statements were made after the splits, which take effect with the last session."""
    if body["price_basis"] != "split_adjusted" or body["trading_day"] >= max(SESSIONS):
        return 1.0
    return {"SPL": 4.0, "ABS": 999_999_999.0}[body["symbol"]]


def _prices(body: Body, factor: float = 1.0) -> Prices:
    open_, high, low, close = (decimal(body[name] * factor) for name in ("open", "high", "low", "close"))
    return open_, high, low, close


def decimal(number: Any) -> Decimal:
    """A number as a message has it, as a table holds it."""
    return Decimal(str(number).removeprefix("@")).quantize(UNIT)


def _of_minutes(minutes: Mapping[tuple[str, str, int], list[tuple[Body, bool]]], found: Expected) -> dict[Key, Prices]:
    sessions: dict[Key, list[tuple[int, Body]]] = defaultdict(list)
    for (symbol, day, start), statements in minutes.items():
        good = [body for body, critical in statements if not critical]
        if not good:
            found.withheld_minutes.add((symbol, start))
            continue
        found.minutes.add((symbol, start))
        newest = max(good, key=lambda body: body["known_at"])
        sessions[symbol, date.fromisoformat(day), f"{newest['source']}_minutes"].append((start, newest))
    bars = {}
    for key, parts in sessions.items():
        first, last = (chosen(parts, key=lambda part: part[0])[1] for chosen in (min, max))
        high, low = max(body["high"] for _, body in parts), min(body["low"] for _, body in parts)
        bars[key] = _prices({"open": first["open"], "high": high, "low": low, "close": last["close"]})
    return bars


def _of_ticks(ticks: list[Body]) -> dict[Key, Prices]:
    """Of the regular session, each event once; the order of equal instants is that of the event's id, as a text."""
    sessions: dict[Key, dict[str, Body]] = defaultdict(dict)
    hours = {day: [microseconds(day, clock) for clock in clocks] for day, clocks in SESSIONS.items()}
    for body in ticks:
        for day, (opens, closes) in hours.items():
            if opens <= body["event_time"] < closes:
                sessions[body["symbol"], date.fromisoformat(day), f"{body['source']}_ticks"][body["event_id"]] = body
    bars = {}
    for key, events in sessions.items():
        ordered = sorted(
            events.values(), key=lambda body: (body["event_time"], body.get("sequence") or -1, body["event_id"])
        )
        prices = [decimal(body["price"]) for body in ordered]
        bars[key] = (prices[0], max(prices), min(prices), prices[-1])
    return bars
