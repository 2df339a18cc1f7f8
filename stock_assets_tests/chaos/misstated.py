"""fields of a good record -> fields that a landing must refuse: the name of each way, and the reasons it may be refused for.

Belongs here: JSON that says something wrong. Does not belong here: bytes that are no JSON (``malformed``), and what is refused
only after it was built (``peculiar``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from stock_assets_tests.chaos.market import DAY, HOLIDAY, INSTANT, NUMBER, TICK_SYMBOLS, microseconds

Change = dict[str, Any]
Misstated = dict[str, tuple[tuple[str, ...], Change]]

_JSON, _TYPE, _RANGE, _ABSURD = ("bad json",), ("wrong type",), ("out of range",), ("absurd time",)
_CLOSED, _INVALID = ("closed session",), ("invalid",)
_OF_2099 = microseconds("2099-01-05", "15:00")
_TODAY = datetime.now(UTC).date()
"""All that depends on the day of the attack beside its seed: what is too late is so only for a clock."""
_TOO_MANY: Misstated = {
    "negative": (_RANGE, {"": -1}),
    "less than can be stored": (_RANGE, {"": 5e-7}),
    "of a whole 64 bits": (_RANGE, {"": 2**63}),
    "2^53 - 1": (_RANGE, {"": 2**53 - 1}),
    "over the bound": (_RANGE, {"": 1e12}),
    "as a text": (_TYPE, {"": "100"}),
    "NaN": (_JSON, {"": "@NaN"}),
}


def misstated(stage: str) -> Misstated:
    """All ways for a topic."""
    number, instant = NUMBER[stage], INSTANT[stage]
    found: Misstated = {
        f"{number} NaN": (_JSON, {number: "@NaN"}),
        f"{number} Infinity": (_JSON, {number: "@-Infinity"}),
        f"{number} as a text": (_TYPE, {number: "100.5"}),
        f"{number} null": (_TYPE, {number: None}),
        f"{number} true": (_TYPE, {number: True}),
        f"{number} in an array": (_TYPE, {number: [100.5]}),
        f"{number} zero": (_RANGE, {number: 0}),
        f"{number} minus zero": (_RANGE, {number: "@-0.0"}),
        f"{number} negative": (_RANGE, {number: -100.5}),
        f"{number} smaller than any": (_RANGE, {number: "@1e-320"}),
        f"{number} 1e400": (_RANGE, {number: "@1e400"}),
        f"{number} of 400 digits": (_RANGE, {number: "@1" + "0" * 400}),
        f"{number} over the bound": (_RANGE, {number: 1e11}),
        f"{number} with a leading zero": (_JSON, {number: "@0100.5"}),
        f"{number} with a comma": (_JSON, {number: "@100,5"}),
        f"{number} in hexadecimals": (("bad json", "out of range"), {number: "@0x64"}),
        f"{instant} of 2099": (_ABSURD, {instant: _OF_2099}),
        f"{instant} in two days": (_ABSURD, {instant: microseconds(str(_TODAY + timedelta(3)), "00:00")}),
        f"{instant} in nanoseconds": (_RANGE, {instant: 1385562600_000_000_000}),
        f"{instant} negative": (_RANGE, {instant: -1}),
        f"{instant} as a text": (_TYPE, {instant: "2013-11-27T14:30:00Z"}),
        f"{instant} a fraction": (_TYPE, {instant: 1385562600000000.5}),
        "unknown version": (_RANGE, {"schema_version": 2}),
        "version as a text": (_TYPE, {"schema_version": "1"}),
        "symbol empty": (_RANGE, {"symbol": ""}),
        "symbol too long": (_RANGE, {"symbol": "X" * 25}),
        "symbol a number": (_TYPE, {"symbol": 7}),
        "source null": (_TYPE, {"source": None}),
        "currency of two letters": (_RANGE, {"currency": "US"}),
    }
    if stage in DAY:
        day = DAY[stage]
        found |= {
            f"{day} that does not exist": (_INVALID, {day: "2013-02-30"}),
            f"{day} with one digit": (_INVALID, {day: "2013-1-7"}),
            f"{day} a holiday": (_CLOSED, {day: HOLIDAY}),
            f"{day} a Saturday": (_CLOSED, {day: "2013-11-30"}),
            f"{day} of the year 1": (_CLOSED, {day: "0001-01-01"}),
            f"{day} of 9999": (("closed session", "absurd time"), {day: "9999-12-31"}),
        }
    return found | _OWN[stage]()


def _of_ticks() -> Misstated:
    return {
        "price 1e-9": (_RANGE, {"price": 1e-9}),
        "bid 1e-9": (_RANGE, {"bid": 1e-9}),
        "event_time of a holiday": (_CLOSED, {"event_time": microseconds(HOLIDAY, "16:00")}),
        "event_time in milliseconds": (_ABSURD, {"event_time": 1385562600_000}),
        "event_time zero": (_ABSURD, {"event_time": 0}),
        "conditions a text": (_TYPE, {"conditions": "T"}),
        "sequence of 2^53": (_RANGE, {"sequence": 2**53}),
        "event_id too long": (_RANGE, {"event_id": "e" * 201}),
        **_shares("size"),
        **_shares("day_volume"),
    }


def _of_bars() -> Misstated:
    return {
        "close 1e-9": (_RANGE, {"close": 1e-9}),
        "trading_day in a month": (("absurd time", "closed session"), {"trading_day": str(_TODAY + timedelta(30))}),
        "start_time of 2099": (_ABSURD, {"start_time": _OF_2099}),
        "high five basis points below close": (_INVALID, {"open": 99.0, "low": 98.0, "high": 99.95, "close": 100.0}),
        "low far above open": (_INVALID, {"open": 99.0, "low": 99.5, "high": 101.0, "close": 100.0}),
        "interval of an hour": (_RANGE, {"interval": "1h"}),
        "source of bars that are built here": (_RANGE, {"source": "simulator_ticks", "symbol": TICK_SYMBOLS[0]}),
        "unknown price basis": (_RANGE, {"price_basis": "adjusted"}),
        "final as a text": (_TYPE, {"final": "true"}),
        **_shares("volume"),
    }


def _of_actions() -> Misstated:
    split = {"kind": "split"}
    return {
        "split of zero": (_RANGE, split | {"value": 0}),
        "split negative": (_RANGE, split | {"value": -2}),
        "split over the bound": (_RANGE, split | {"value": 1e9}),
        "split as a ratio": (_TYPE, split | {"value": "2:1"}),
        "unknown action": (_RANGE, {"kind": "merger"}),
    }


_OWN: dict[str, Callable[[], Misstated]] = {"ticks": _of_ticks, "bars": _of_bars, "actions": _of_actions}


def _shares(name: str) -> Misstated:
    return {f"{name} {how}": (reasons, {name: change[""]}) for how, (reasons, change) in _TOO_MANY.items()}
