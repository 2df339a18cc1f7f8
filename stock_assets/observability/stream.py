"""the stream's word, raw ticks, progress -> a fact about the windows.

Belongs here: whether windows are computed as ticks come in. Does not belong here: computing them (``live``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from stock_assets.domain.live_tables import WINDOW_PROGRESS
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import committed_at, open_table
from stock_assets.live.progress import differing_sessions
from stock_assets.live.state import file_of, read_state
from stock_assets.live.store import read_rows
from stock_assets.observability.fact import Fact, duration
from stock_assets.settings.platform import Settings

STREAM = "stream"
BATCHES_OF_DELAY = 3
"""A batch begins a trigger after the last one did, and takes part of one."""
STALE_FAILURE_S = 300.0
"""A stream that fails tries again at least every minute."""


def stream_facts(settings: Settings) -> Iterator[Fact]:
    """One fact; none when no windows are computed here."""
    if not settings.live.stream or settings.local.container:
        return
    state = read_state(file_of(settings.local_dir))
    if state is None or not (state.reads or state.failed):
        yield Fact(STREAM, "", False, "waits for the first ticks")
        return
    if state.failed_at > state.batch_at and time.time() - state.failed_at < STALE_FAILURE_S:
        yield Fact(STREAM, "", True, state.failed, "It tries again by itself; its log is stream.log.")
        return
    newest, raw = committed_at(settings.lake_root, RAW_TICKS), open_table(settings.lake_root, RAW_TICKS)
    patience_s = BATCHES_OF_DELAY * settings.live.window_trigger_s + 60
    behind = []
    if raw is not None and newest is not None and time.time() - newest.timestamp() > patience_s:
        progress = read_rows(settings.lake_root, WINDOW_PROGRESS).to_pylist()
        behind = differing_sessions(raw, progress, None)
    if behind:
        text = f"the windows of {behind[-1]} lack ticks that were landed more than {duration(patience_s)} ago"
        yield Fact(
            STREAM,
            "",
            True,
            text,
            "`stock-assets up stream` starts it; its log is stream.log.",
            len(behind),
            "sessions",
        )
        return
    took = f"; its last batch took {state.batch_seconds:.1f} s" if state.batch >= 0 else ""
    yield Fact(STREAM, "", False, f"the windows hold all ticks that are landed{took}", "", 0.0, "sessions")
