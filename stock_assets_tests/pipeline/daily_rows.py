"""short descriptions of daily bars -> a lake that has them.

Belongs here: filling in what a test does not care about, storing it as Spark would, and the week that it is judged in.
Does not belong here: raw rows (``raw_rows``), expected results.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from stock_assets.domain.sessions import session, sessions_between
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.quality.judging import Judging

Row = dict[str, Any]
JUDGING = Judging(bar_sources=("yahoo", "alpha_vantage"))
WEEK = sessions_between(date(2013, 10, 7), date(2013, 10, 11))
LATER = datetime(2014, 1, 1, tzinfo=UTC)  # when all sessions of WEEK are over


def daily(day: date, source: str, close: float = 100.0, volume: int | None = 1000, **given: Any) -> Row:
    price = Decimal(str(close)).quantize(Decimal("0.000001"))
    return {
        "year": day.year,
        "trading_day": day,
        "symbol": "IBM",
        "source": source,
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": None if volume is None else Decimal(volume).quantize(Decimal("0.000001")),
        "repeats": 0,
        "currency": "USD",
        "half_day": False,
        "no_auction": False,
        "final": True,
        "known_at": session(day).post_close_time,
        "revision": 1,
        **given,
    }


def store_daily(lake: str, rows: Iterable[Row]) -> None:
    """Make ``rows`` all that the lake has of daily bars."""
    arrow = pa.Table.from_pylist(list(rows), schema=DAILY_BARS.stored.arrow_schema())
    write_deltalake(f"{lake}/{DAILY_BARS.path}", arrow, mode="overwrite", partition_by=list(DAILY_BARS.partition_by))
