"""row -> the rules of its table that it breaks.

Belongs here: applying the ranges of ``suites`` to single rows, without Great Expectations and its seconds of import.
Does not belong here: the rules, and what holds of many rows together (``validate``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stock_assets.domain.tables import Table
from stock_assets.quality.suites import RULES, AtLeast, Between, Rule


def broken_rules(table: Table, row: Mapping[str, Any]) -> list[str]:
    """Each broken rule as a phrase with its numbers; a value that is unknown or not there breaks none."""
    return [text for rule in RULES[table.path] if (text := _broken(rule, row))]


def _broken(rule: Rule, row: Mapping[str, Any]) -> str:
    if isinstance(rule, AtLeast):
        larger, smaller = row.get(rule.larger), row.get(rule.smaller)
        if larger is None or smaller is None or larger >= smaller:
            return ""
        return f"{rule.larger} {larger} is below {rule.smaller} {smaller}"
    value = row.get(rule.column)
    if value is None:
        return ""
    if isinstance(rule, Between):
        return f"{rule.column} is {value}" if _outside(rule, value) else ""
    return "" if value in rule.values else f"{rule.column} is {value}"


def _outside(rule: Between, value: Any) -> bool:
    low, high = rule.low, rule.high
    if rule.strict:
        return (low is not None and value <= low) or (high is not None and value >= high)
    return (low is not None and value < low) or (high is not None and value > high)
