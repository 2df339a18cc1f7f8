"""running containers -> what is claimed of the stream of windows.

Belongs here: its claim alone. Does not belong here: the other claims (claims.py) and their order (verify.py).
"""

from __future__ import annotations

import time

import pyarrow.dataset as ds

from stock_assets.domain.live_tables import INTRADAY_WINDOWS, WINDOW_PROGRESS
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.lake.tables import read_sessions
from stock_assets.live.store import read_rows
from stock_assets.settings.platform import Settings

DEADLINE_S = 600


def windows(settings: Settings) -> str:
    """Wait until the stream's bars of single minutes are those of the batch, in every session that it has seen."""
    began, found = time.monotonic(), "no session yet"
    names = ["symbol", "source", "start_time", "close", "volume"]
    while time.monotonic() - began < DEADLINE_S:
        time.sleep(3)
        days = set(read_rows(settings.lake_root, WINDOW_PROGRESS)["trading_day"].to_pylist())
        for day in sorted(days):
            stored = read_rows(settings.lake_root, INTRADAY_WINDOWS, ds.field("trading_day") == day)
            ours = stored.filter(ds.field("window_minutes") == 1).select(names).to_pylist()
            bars = read_sessions(settings.lake_root, MINUTE_BARS, names, day, day).to_pylist()
            theirs = [row for row in bars if row["source"].endswith("_ticks")]
            if not ours or sorted(map(repr, ours)) != sorted(map(repr, theirs)):
                found = f"{len(ours)} minutes of {len(theirs)} on {day}"
                break
        else:
            if days:
                return "stream = batch"
    return f"stream != batch ({found})"
