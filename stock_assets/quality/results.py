"""verdict of a suite -> rows of quality/expectations.

Belongs here: keeping, per session, what Great Expectations found, so that its trend can be drawn.
Does not belong here: running it (``validate``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import pyarrow as pa

from stock_assets.domain.quality_tables import EXPECTATIONS
from stock_assets.domain.table import Table
from stock_assets.lake.tables import append_table, open_table
from stock_assets.quality.validate import Verdict


def record_results(
    lake_root: str, table: Table, days: Sequence[date], rows: pa.Table, verdict: Verdict, checked_at: datetime
) -> None:
    """Append one row per session and expectation; the newest ``checked_at`` of a session counts.

    Args:
        rows: the rows that were checked, of these sessions.
    """
    broken = {breach.what: breach for breach in verdict.breaches}
    counts = {each["values"]: each["counts"] for each in rows["trading_day"].value_counts().to_pylist()}
    width = len(verdict.expectations)
    unexpected: list[int | None] = []
    for day in days:
        for name in verdict.expectations:
            breach = broken.get(name)
            if breach is None:
                unexpected.append(0)
            else:  # one of the table as a whole is broken in each session
                unexpected.append(None if breach.count is None else breach.of_session.get(day, 0))
    found = pa.table(
        {
            "trading_day": [day for day in days for _ in range(width)],
            "checked_table": [table.path] * (width * len(days)),
            "expectation": list(verdict.expectations) * len(days),
            "rows": [counts.get(day, 0) for day in days for _ in range(width)],
            "unexpected_rows": unexpected,
            "passed": [each == 0 for each in unexpected],
            "checked_at": [checked_at] * (width * len(days)),
        },
        schema=EXPECTATIONS.arrow_schema(),
    )
    append_table(lake_root, EXPECTATIONS, found)


def compact_results(lake_root: str) -> None:
    """Make few files of many. One caller at a time: of two compactions Delta would take both, and double the rows."""
    handle = open_table(lake_root, EXPECTATIONS)
    if handle is not None:
        handle.optimize.compact()
