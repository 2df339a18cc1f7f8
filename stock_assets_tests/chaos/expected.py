"""records that were sent -> the rows that must be built from them.

Belongs here: bars and metrics of an attack's records, by the plain reading of the rules, and what breaks a critical one.
Does not belong here: reading the lake and comparing (``reckoning``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS
from stock_assets_tests.chaos.market import SESSIONS, Body, Record, microseconds

SOURCES = ("yahoo", "alpha_vantage", "yahoo_minutes", "simulator_ticks")
"""Of daily bars, the most trusted first."""
VALUES = ("open", "high", "low", "close", "volume")
UNIT = Decimal("0.000001")
_HOURS = {day: [microseconds(day, clock) for clock in clocks] for day, clocks in SESSIONS.items()}
_MINUTE = 60_000_000

Key = tuple[Any, ...]
"""As of the table: symbol, session, source where it has one, and of a minute its start in microseconds since 1970."""
Values = tuple[Decimal | None, ...]
"""VALUES."""


@dataclass
class Expected:
    """What must be in a derived table: the rows that readers see, and the keys of those that they do not."""

    rows: dict[Key, Values] = field(default_factory=dict)
    withheld: set[Key] = field(default_factory=set)


def expected(sent: Iterable[Record]) -> dict[Table, Expected]:
    """The rows that follow from the records that are good."""
    good = [(record.fields, record.critical) for record in sent if record.fields is not None]
    ticks = [body for body, _ in good if "event_id" in body]
    minutes, daily, metrics = _of_vendors(good, "1m"), _of_vendors(good, "1d"), Expected()
    daily.rows |= _of_minutes(minutes.rows) | _of_ticks(ticks, _session)
    minutes.rows |= _of_ticks(ticks, _minute)
    for (symbol, day, _), values in sorted(daily.rows.items(), key=lambda row: -SOURCES.index(row[0][2])):
        metrics.rows[symbol, day] = values
    return {MINUTE_BARS: minutes, DAILY_BARS: daily, DAILY_METRICS: metrics}


def breaks_a_rule(row: Mapping[str, Any]) -> bool:
    """Whether a row with the figures of a bar breaks a critical rule."""
    open_, high, low, close, volume = (row[name] for name in VALUES)
    enclosed = low <= min(open_, close) and max(open_, close) <= high
    return not enclosed or low <= 0 or (volume is not None and volume < 0)


def decimal(number: Any) -> Decimal:
    """A number as a message has it, as a table holds it."""
    return Decimal(str(number).removeprefix("@")).quantize(UNIT)


def _of_vendors(good: list[tuple[Body, bool]], interval: str) -> Expected:
    """The newest statement counts that breaks no critical rule; one that no column can hold as traded never does."""
    statements: dict[Key, list[tuple[Body, bool]]] = defaultdict(list)
    for body, critical in good:
        if body.get("interval") == interval and body["high"] * _factor(body) < 10**12:
            start = (body["start_time"],) if interval == "1m" else ()
            key = (body["symbol"], date.fromisoformat(body["trading_day"]), body["source"], *start)
            statements[key].append((body, critical))
    found = Expected()
    for key, stated in statements.items():
        trusted = [body for body, critical in stated if not critical]
        if trusted:
            found.rows[key] = _as_traded(max(trusted, key=lambda body: body["known_at"]))
        else:
            found.withheld.add(key)
    return found


def _factor(body: Body) -> int:
    """All statements were made after the splits, which take effect with the last session."""
    if body["price_basis"] != "split_adjusted" or body["trading_day"] >= max(SESSIONS):
        return 1
    return {"SPL": 4, "ABS": 999_999_999}[body["symbol"]]


def _as_traded(body: Body) -> Values:
    factor, volume = _factor(body), None if body["volume"] is None else decimal(body["volume"])
    if volume is not None and factor != 1:
        volume = (volume / factor).quantize(Decimal(1), ROUND_HALF_UP)
    return (*(decimal(decimal(body[name]) * factor) for name in VALUES[:4]), volume)


def _of_minutes(minutes: Mapping[Key, Values]) -> dict[Key, Values]:
    """All are of the regular session."""
    sessions: dict[Key, list[Values]] = defaultdict(list)
    for (symbol, day, source, _), values in sorted(minutes.items()):
        sessions[symbol, day, f"{source}_minutes"].append(values)
    return {key: _together(parts) for key, parts in sessions.items()}


def _of_ticks(ticks: list[Body], group: Callable[[Body], Key | None]) -> dict[Key, Values]:
    """Each event once; the order of equal instants is that of the sequence, then of the event's id, as a text."""
    events: dict[Key, dict[str, Body]] = defaultdict(dict)
    for body in ticks:
        key = group(body)
        if key is not None:
            events[key][body["event_id"]] = body
    bars = {}
    for key, bodies in events.items():
        order = sorted(
            bodies.values(), key=lambda body: (body["event_time"], body.get("sequence", -1), body["event_id"])
        )
        size = [None if body.get("size") is None else decimal(body["size"]) for body in order]
        price = [decimal(body["price"]) for body in order]
        bars[key] = _together([(p, p, p, p, s) for p, s in zip(price, size, strict=True)])
    return bars


def _together(parts: list[Values]) -> Values:
    """One bar of several, in their order."""
    opens, highs, lows, closes, volumes = zip(*parts, strict=True)
    known = [volume for volume in volumes if volume is not None]
    return opens[0], max(highs), min(lows), closes[-1], sum(known) if known else None


def _session(tick: Body) -> Key | None:
    opens, closes = _HOURS[str(_day(tick))]
    return (tick["symbol"], _day(tick), f"{tick['source']}_ticks") if opens <= tick["event_time"] < closes else None


def _minute(tick: Body) -> Key:
    return tick["symbol"], _day(tick), f"{tick['source']}_ticks", tick["event_time"] // _MINUTE * _MINUTE


def _day(tick: Body) -> date:
    """All are of an hour at which the exchange has the same date as Greenwich."""
    return datetime.fromtimestamp(tick["event_time"] // 10**6, UTC).date()
