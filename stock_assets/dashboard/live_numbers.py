"""windows of the newest session, bars of the last minutes -> what the live page shows of a symbol.

Belongs here: reading a symbol's windows when their table has changed, and joining bars that are stored with bars that are growing.
Does not belong here: drawing (``live``), receiving (``live.prices``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow.dataset as ds

from stock_assets.dashboard.memory import Memory
from stock_assets.domain.live_tables import INTRADAY_WINDOWS
from stock_assets.lake.tables import table_version
from stock_assets.live.prices import MinuteBar
from stock_assets.live.store import read_rows
from stock_assets.settings.platform import Settings

Row = dict[str, Any]
_memory = Memory(64)


@dataclass(frozen=True)
class Latest:
    """The newest window of one length."""

    row: Row

    @staticmethod
    def labels() -> list[str]:
        """What the cells after the first are."""
        return ["Until (UTC)", "VWAP", "Average", "Volatility", "Momentum", "Shares", "Minutes", ""]

    def cells(self) -> list[object]:
        """Of the page's table."""
        row = self.row
        return [
            f"{row['window_minutes']} min",
            f"{row['end_time']:%H:%M}",
            _figure(row["vwap"], 2),
            _figure(row["moving_average"], 2),
            "–" if row["volatility"] is None else f"{100 * row['volatility']:.3f} %",
            f"{row['momentum_percent']:+.2f} %".replace("-", "−"),
            _figure(row["volume"], 0),
            f"{row['minutes_covered']}",
            "final" if row["final"] else "open",
        ]


def session_bars(settings: Settings, symbol: str, source: str) -> list[MinuteBar]:
    """The symbol's minutes of the newest session that has windows of it, ascending."""
    rows = [row for row in _rows(settings, symbol, source) if row["window_minutes"] == 1]
    return [
        MinuteBar(
            round(row["start_time"].timestamp()), float(row["open"]), float(row["high"]), float(row["low"]), float(row["close"]),
            float(row["volume"] or 0),
        )
        for row in rows
    ]  # fmt: skip


def latest_windows(settings: Settings, symbol: str, source: str) -> list[Latest]:
    """The newest window of each length above a minute."""
    newest = {row["window_minutes"]: row for row in _rows(settings, symbol, source)}
    return [Latest(newest[length]) for length in sorted(newest) if length > 1]


def bars_of(stored: Iterable[MinuteBar], growing: Iterable[MinuteBar]) -> list[MinuteBar]:
    """Stored bars, and for minutes after them the growing ones."""
    kept = list(stored)
    last = kept[-1].start if kept else 0
    return kept + [bar for bar in growing if bar.start > last]


def _rows(settings: Settings, symbol: str, source: str) -> list[Row]:
    """The symbol's windows of its newest session, by end."""
    version = table_version(settings.lake_root, INTRADAY_WINDOWS)
    if version is None:
        return []

    def read() -> list[Row]:
        mine = (ds.field("symbol") == symbol) & (ds.field("source") == f"{source}_ticks")
        found = read_rows(settings.lake_root, INTRADAY_WINDOWS, mine).sort_by("end_time").to_pylist()
        return [row for row in found if row["trading_day"] == found[-1]["trading_day"]]

    rows: list[Row] = _memory.get((settings.lake_root, version, symbol, source), read)
    return rows


def _figure(value: Any, digits: int) -> str:
    return "–" if value is None else f"{float(value):,.{digits}f}"
