"""table -> Great Expectations suite.

Belongs here: what the rows of each table must look like, derived from ``domain.tables`` where it can be, and how bad a
breach is: critical stops what is built from it, a warning is only shown.
Does not belong here: running a suite (``validate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from stock_assets.domain import sessions, tables
from stock_assets.domain.tables import Table

Severity = Literal["critical", "warning"]

_PHASES = list(sessions.PHASES)


@dataclass(frozen=True)
class Between:
    """A column's bounds; ``strict`` excludes them."""

    column: str
    low: float | None = None
    high: float | None = None
    strict: bool = False
    severity: Severity = "critical"


@dataclass(frozen=True)
class AtLeast:
    """``larger`` is never below ``smaller``."""

    larger: str
    smaller: str


@dataclass(frozen=True)
class OneOf:
    """A column's allowed values."""

    column: str
    values: tuple[str, ...]


Rule = Between | AtLeast | OneOf

_ENCLOSED = tuple(
    AtLeast(*pair) for pair in (("high", "low"), ("high", "open"), ("high", "close"), ("open", "low"), ("close", "low"))
)
_POSITIVE = tuple(Between(name, low=0, strict=True) for name in ("open", "high", "low", "close"))

_METRIC_RULES: tuple[Rule, ...] = (
    *_ENCLOSED,
    *_POSITIVE,
    Between("rsi_14", 0, 100),
    Between("volatility_20", 0),
    AtLeast("bollinger_upper", "bollinger_lower"),
    AtLeast("high_52_week", "high"),
    AtLeast("low", "low_52_week"),
    Between("change_percent", -60, 60, severity="warning"),
)

RULES: dict[str, tuple[Rule, ...]] = {
    tables.RAW_TICKS.path: (
        Between("price", low=0, strict=True),
        OneOf("phase", tuple(_PHASES)),
        Between("size", low=0),
    ),
    tables.RAW_BARS.path: (
        # Vendors round each figure on its own: seen, not stopped; what is built from it is checked again.
        *_POSITIVE,
        OneOf("interval", ("1d", "1m")),
        OneOf("price_basis", ("as_traded", "split_adjusted")),
    ),
    tables.RAW_ACTIONS.path: (Between("value", low=0, strict=True), OneOf("kind", ("split", "dividend"))),
    tables.MINUTE_BARS.path: (*_ENCLOSED, *_POSITIVE, OneOf("phase", tuple(_PHASES)), Between("volume", low=0)),
    tables.DAILY_BARS.path: (
        *_ENCLOSED,
        *_POSITIVE,
        Between("volume", low=0),
    ),
    tables.DAILY_METRICS.path: _METRIC_RULES,
}
"""Rules beyond those that follow from a table's columns and key."""

_NULLABLE_WHEN_ACCEPTED = {
    "size", "day_volume", "bid", "ask", "exchange", "conditions", "sequence", "adj_close", "volume", "currency",
    "kafka_time", "rejected_because", "payload",
}  # fmt: skip
"""Columns of an accepted raw row that may be null; all of a rejected row's message columns are."""


def required_columns(table: Table) -> list[str]:
    """Columns without nulls among the accepted rows."""
    if table in tables.RAW_TABLES.values():
        return [name for name in table.names if name not in _NULLABLE_WHEN_ACCEPTED]
    return [column.name for column in table.columns if not column.nullable]


def checked_columns(table: Table) -> list[str]:
    """The columns a frame needs for ``suite``: no lists and no payloads."""
    return [column.name for column in table.columns if column.type not in ("list<string>", "binary")]


def suite(table: Table) -> list[Any]:
    """The table's expectations: columns, nulls, key, ranges."""
    gxe: Any = import_module("great_expectations.expectations")
    found = [
        gxe.ExpectTableColumnsToMatchSet(column_set=checked_columns(table), exact_match=True),
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=list(table.key)),
        *(gxe.ExpectColumnValuesToNotBeNull(column=name) for name in required_columns(table)),
    ]
    return found + [_expectation(gxe, rule) for rule in RULES[table.path]]


def _expectation(gxe: Any, rule: Rule) -> Any:
    if isinstance(rule, OneOf):
        return gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=list(rule.values))
    if isinstance(rule, AtLeast):
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=rule.larger, column_B=rule.smaller, or_equal=True, ignore_row_if="either_value_is_missing"
        )
    return gxe.ExpectColumnValuesToBeBetween(
        column=rule.column,
        min_value=rule.low,
        max_value=rule.high,
        strict_min=rule.strict,
        severity=rule.severity,
    )
