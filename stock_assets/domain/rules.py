"""table -> the rules that its rows must keep, as data.

Belongs here: the rules, how bad a breach is, and the same verdict in plain Python for a few rows at a time. A row that breaks
a critical rule is withheld from readers; a warning is only shown.
Does not belong here: marking rows (``spark.verdicts``), proving that no unmarked row breaks a rule (``quality.suites``).

The three agree, and a test holds them to it: a value that is unknown breaks no rule, a NaN is unknown, decimals are compared
exactly, and equal values are within a bound unless it is strict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal
from zlib import crc32

from stock_assets.domain import sessions, tables
from stock_assets.domain.table import Table

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Between:
    """A column's bounds; ``strict`` excludes them."""

    column: str
    low: int | None = None
    high: int | None = None
    strict: bool = False
    severity: Severity = "critical"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class AtLeast:
    """``larger`` is never below ``smaller``."""

    larger: str
    smaller: str
    severity: Severity = "critical"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.larger, self.smaller)


@dataclass(frozen=True)
class OneOf:
    """A column's allowed values."""

    column: str
    values: tuple[str, ...]
    severity: Severity = "critical"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


Rule = Between | AtLeast | OneOf

_PHASES = OneOf("phase", tuple(sessions.PHASES))
_ENCLOSED = tuple(
    AtLeast(*pair) for pair in (("high", "low"), ("high", "open"), ("high", "close"), ("open", "low"), ("close", "low"))
)
_POSITIVE = tuple(Between(name, low=0, strict=True) for name in ("open", "high", "low", "close"))
_VOLUME = Between("volume", low=0)

RULES: dict[str, tuple[Rule, ...]] = {
    tables.RAW_TICKS.path: (Between("price", low=0, strict=True), _PHASES, Between("size", low=0)),
    tables.RAW_BARS.path: (
        # Vendors round each figure on its own: seen, not stopped; what is built from it is judged by itself.
        *_POSITIVE,
        OneOf("interval", ("1d", "1m")),
        OneOf("price_basis", ("as_traded", "split_adjusted")),
    ),
    tables.RAW_ACTIONS.path: (Between("value", low=0, strict=True), OneOf("kind", ("split", "dividend"))),
    tables.MINUTE_BARS.path: (*_ENCLOSED, *_POSITIVE, _PHASES, _VOLUME),
    tables.DAILY_BARS.path: (*_ENCLOSED, *_POSITIVE, _VOLUME),
    tables.DAILY_METRICS.path: (
        *_ENCLOSED,
        *_POSITIVE,
        Between("rsi_14", 0, 100),
        Between("volatility_20", 0),
        AtLeast("bollinger_upper", "bollinger_lower"),
        AtLeast("high_52_week", "high"),
        AtLeast("low", "low_52_week"),
        Between("change_percent", -60, 60, severity="warning"),
    ),
}
"""Rules beyond those that follow from a table's columns and key."""


def critical_rules(table: Table) -> tuple[Rule, ...]:
    """The rules that withhold a row."""
    return tuple(rule for rule in RULES[table.path] if rule.severity == "critical")


def digest(table: Table) -> str:
    """Equal texts withhold the same rows."""
    return f"{crc32(repr(critical_rules(table)).encode()):08x}"


def broken_rules(table: Table, row: Mapping[str, Any]) -> list[str]:
    """Each critical rule that the row breaks, as a phrase with its numbers; what is not in the row breaks none."""
    return [text for rule in critical_rules(table) if (text := _broken(rule, row))]


def rules_broken_as_traded(statement: Mapping[str, Any], factor: float) -> list[str]:
    """As ``broken_rules``, of the bar that a row of RAW_BARS becomes when its prices are multiplied by ``factor``."""
    table = tables.DAILY_BARS if statement["interval"] == "1d" else tables.MINUTE_BARS
    prices = {name: _six(statement[name] * factor) for name in ("open", "high", "low", "close")}
    return broken_rules(table, prices | {"volume": statement["volume"]})


def _six(price: float) -> Decimal:
    """As a column of prices holds it."""
    return Decimal(repr(price)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _broken(rule: Rule, row: Mapping[str, Any]) -> str:
    values: list[Any] = [row.get(name) for name in rule.columns]
    if any(value is None or (isinstance(value, float) and math.isnan(value)) for value in values):
        return ""
    value = values[0]
    if isinstance(rule, AtLeast):
        larger, smaller = values
        return f"{rule.larger} {larger} is below {rule.smaller} {smaller}" if larger < smaller else ""
    if isinstance(rule, OneOf):
        return "" if value in rule.values else f"{rule.column} is {value}"
    return f"{rule.column} is {value}" if _outside(rule, value) else ""


def _outside(rule: Between, value: Any) -> bool:
    low, high = rule.low, rule.high
    if rule.strict:
        return (low is not None and value <= low) or (high is not None and value >= high)
    return (low is not None and value < low) or (high is not None and value > high)
