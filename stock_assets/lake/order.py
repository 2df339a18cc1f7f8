"""files of a derived table -> years whose rows do not lie by symbol.

Belongs here: telling by the log and the files' footers; no rows are read. Does not belong here: rewriting them (``spark.by_symbol``).

Sessions are built one at a time, and so lie by session: one symbol's ten years are then a few rows of every part of every file.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from stock_assets.domain.table import Table
from stock_assets.lake.arrow_files import files_of
from stock_assets.lake.tables import is_table, table_uri

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def unordered_years(lake_root: str, table: Table) -> list[int]:
    """Years in more than one file, or in one whose groups of rows are not by symbol, ascending.

    Args:
        table: partitioned by year.
    """
    from deltalake import DeltaTable

    if not is_table(lake_root, table.path):
        return []
    files = files_of(DeltaTable(table_uri(lake_root, table)), table)
    of_year: dict[int, list[ds.ParquetFileFragment]] = defaultdict(list)
    for fragment in files.get_fragments():
        of_year[_year(fragment.path)].append(fragment)
    return sorted(year for year, found in of_year.items() if len(found) > 1 or not _is_by_symbol(found[0]))


def _year(path: str) -> int:
    return int(path.rpartition("year=")[2].partition("/")[0])


def _is_by_symbol(file: ds.ParquetFileFragment) -> bool:
    """Whether no group begins with a symbol before the last one of the group before it."""
    footer = file.metadata
    at = footer.schema.names.index("symbol")
    bounds = [footer.row_group(number).column(at).statistics for number in range(footer.num_row_groups)]
    if any(each is None or not each.has_min_max for each in bounds):
        return True  # a text too long for bounds: nothing is known, and nothing would be gained
    return all(before.max <= after.min for before, after in pairwise(bounds))
