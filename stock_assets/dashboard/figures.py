"""a frame -> its rows, and whether there is anything in a cell.

Belongs here: rows as dictionaries; the one rule for what counts as absent, however a frame says so.
Does not belong here: how figures are written (``marks``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd


def absent(value: object) -> bool:
    """Whether a cell holds nothing: None, or what is not a number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows by the names of their columns."""
    return cast("list[dict[str, Any]]", rows.to_dict("records"))
