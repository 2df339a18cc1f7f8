"""minute bars of the lake -> hourly bars.

Belongs here: regular minutes as the warehouse's hours.
Does not belong here: how bars become longer ones (``lake.longer_bars``), where they begin (``domain.bar_sizes``), loading (load.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from stock_assets.domain.bar_sizes import HOUR_MINUTES, BarSize
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.domain.warehouse_tables import HOURLY_BARS
from stock_assets.lake.engine import connect
from stock_assets.lake.longer_bars import PARTS, sum_minutes
from stock_assets.lake.tables import read_sessions

if TYPE_CHECKING:
    import pyarrow as pa


def hourly_bars(lake_root: str, bar_sources: Sequence[str], first: date, last: date) -> pa.Table:
    """HOURLY_BARS of the sessions from ``first`` to ``last``, of regular trading.

    Args:
        bar_sources: most trusted first; others come last, by name. A symbol's session has one source, that of ``first``.
    """
    minutes = read_sessions(lake_root, MINUTE_BARS, PARTS["minutes"], first, last)
    return sum_up(minutes, bar_sources)


def sum_up(minutes: pa.Table, bar_sources: Sequence[str]) -> pa.Table:
    """HOURLY_BARS from rows of MINUTE_BARS."""
    with connect() as connection:
        connection.register("minutes", minutes.append_column("traded_as", minutes["symbol"]))
        hours = sum_minutes(connection, "minutes", BarSize(HOUR_MINUTES, "minutes"), bar_sources)
        return hours.to_arrow_table().select(list(HOURLY_BARS.names)).cast(HOURLY_BARS.arrow_schema())
