"""stage -> version of its rules, and the stages whose rows it is made of.

Belongs here: what makes a stage's rows stale besides its inputs.
Does not belong here: the inputs of a session, and comparing (``lake.staleness``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stock_assets.domain.finding_tables import ANOMALIES, PATTERNS
from stock_assets.domain.quality_tables import AVAILABILITY, RECONCILIATION
from stock_assets.domain.rules import digest
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, DERIVED_TABLES, MINUTE_BARS

WAREHOUSE = "warehouse/daily_stock_metrics"


@dataclass(frozen=True)
class Stage:
    """One stage below the raw tables.

    Attributes:
        rules: version of the rules that turn its inputs into rows. Raise it when the same inputs give other rows.
        reads: names of the stages below raw that it reads.
    """

    rules: int
    reads: tuple[str, ...] = ()


STAGES: dict[str, Stage] = {
    MINUTE_BARS.path: Stage(rules=1),
    DAILY_BARS.path: Stage(rules=1, reads=(MINUTE_BARS.path,)),
    RECONCILIATION.path: Stage(rules=1, reads=(DAILY_BARS.path,)),
    AVAILABILITY.path: Stage(rules=1, reads=(DAILY_BARS.path, RECONCILIATION.path)),
    DAILY_METRICS.path: Stage(rules=2, reads=(DAILY_BARS.path,)),
    WAREHOUSE: Stage(rules=1, reads=(DAILY_METRICS.path,)),
    PATTERNS.path: Stage(rules=1, reads=(DAILY_METRICS.path,)),
    ANOMALIES.path: Stage(rules=1, reads=(MINUTE_BARS.path,)),
}
"""All stages below raw by the name under which their state is stored: the path of the table, or WAREHOUSE."""


def loaded_into(target: str) -> str:
    """The name under which is stored from what the warehouse's sessions were loaded: each target has its own state."""
    return f"{WAREHOUSE}@{target}"


_WITHHOLDING = {table.path: table for table in DERIVED_TABLES}


def rules_of(stage: str) -> dict[str, dict[str, Any]]:
    """What the rules of a stage and of every stage it depends on are; JSON, one object per stage.

    Whatever else belongs to a stage's rules joins its object: other text makes the stage and its dependants stale.
    """
    found: dict[str, dict[str, Any]] = {stage: {"version": STAGES[stage].rules}}
    if stage in _WITHHOLDING:
        found[stage]["withholds"] = digest(_WITHHOLDING[stage])
    for read in STAGES[stage].reads:
        found |= rules_of(read)
    return found
