"""symbols and days -> the companies they were of.

Belongs here: one history for a company that was renamed; its name is the symbol it has now.
Does not belong here: which renames there are (``domain.universe``).
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

from stock_assets.domain.universe import Rename


def company(symbol: str, day: str, renames: Iterable[Rename]) -> Column:
    """The company that traded under ``symbol`` on ``day`` (names of columns); the symbol itself when it was not renamed."""
    found = F.col(symbol)
    for each in renames:
        then = F.col(day).between(F.lit(each.first_day), F.lit(each.last_day))
        found = F.when((F.col(symbol) == each.symbol) & then, F.lit(each.company)).otherwise(found)
    return found
