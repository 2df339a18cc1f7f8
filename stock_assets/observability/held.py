"""tables of the lake -> how much they hold.

Belongs here: counting rows, sessions, files and bytes of a table, the words of the verdicts, and what bars dropped.
Does not belong here: when to count again (``collector``), what of it is a problem (``sessions``).
"""

from __future__ import annotations

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, RAW_TABLES
from stock_assets.lake.sizes import table_size
from stock_assets.lake.tables import read_sessions
from stock_assets.observability.observation import Held
from stock_assets.settings.platform import Settings


def held(settings: Settings, table: Table) -> Held:
    """What the table's newest version holds."""
    import pyarrow.compute as pc

    raw = table in RAW_TABLES.values()
    days = read_sessions(settings.lake_root, table, ["trading_day"], accepted_only=raw)["trading_day"]
    newest = pc.max(days).as_py() if len(days) else None
    size = table_size(settings.lake_root, table)
    return Held(table.path, pc.count_distinct(days).as_py(), len(days), newest, size.files, size.bytes, size.commit_s)


def counted_words(settings: Settings) -> list[tuple[str, int]]:
    """How many symbols' sessions have each word of availability."""
    words = read_sessions(settings.lake_root, AVAILABILITY, ["availability"])["availability"]
    return [(each["values"].as_py(), each["counts"].as_py()) for each in words.value_counts()]


def count_duplicates(settings: Settings) -> int:
    """Ticks that daily bars dropped because they came before."""
    import pyarrow.compute as pc

    repeats = read_sessions(settings.lake_root, DAILY_BARS, ["repeats"], withheld_too=True)["repeats"]
    return int(pc.sum(repeats).as_py() or 0)
