"""table -> Great Expectations suite.

Belongs here: what readers see of each table, as expectations: derived from ``domain.tables`` and ``domain.rules``.
Does not belong here: the rules (``domain.rules``), running a suite (``validate``).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from stock_assets.domain import tables
from stock_assets.domain.rules import RULES, AtLeast, OneOf, Rule
from stock_assets.domain.table import Table

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
    return found + [expectation(rule) for rule in RULES[table.path]]


def expectation(rule: Rule) -> Any:
    """The rule as an expectation, of the rule's severity."""
    gxe: Any = import_module("great_expectations.expectations")
    if isinstance(rule, OneOf):
        return gxe.ExpectColumnValuesToBeInSet(column=rule.column, value_set=list(rule.values), severity=rule.severity)
    if isinstance(rule, AtLeast):
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=rule.larger,
            column_B=rule.smaller,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            severity=rule.severity,
        )
    return gxe.ExpectColumnValuesToBeBetween(
        column=rule.column,
        min_value=rule.low,
        max_value=rule.high,
        strict_min=rule.strict and rule.low is not None,
        strict_max=rule.strict and rule.high is not None,
        severity=rule.severity,
    )
