"""stored minutes, minutes built again -> the session's minutes, and the hours whose windows change with them.

Belongs here: what a changed minute reaches. Does not belong here: the windows (``windows``), building minutes (``spark``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark.window_minutes import TouchedMinute
from stock_assets.domain.eligibility import SNAPSHOT_SOURCES
from stock_assets.domain.live_tables import LATENESS, MINUTES, WINDOW_MINUTES
from stock_assets.live.grid import MINUTE_US, numbered
from stock_assets.live.windows import HOUR_US, Newest

REACH = max(WINDOW_MINUTES) - 1
"""Minutes after its own whose windows a minute is part of."""


def merged(stored: pa.Table, built: pa.Table, touched: Sequence[TouchedMinute]) -> tuple[pa.Table, set[int]]:
    """The session's MINUTES after the touched ones were built again, and the hours since 1970 of the windows that differ.

    Args:
        stored: MINUTES of one session.
        built: those of the touched minutes (of snapshot sources: of the touched symbols) as they are now.
    """
    replaced = _touched(stored, touched)
    old, kept = stored.filter(replaced), stored.filter(pc.invert(replaced))
    both = pa.concat_tables([old, built])
    counted = both.group_by(list(MINUTES.names)).aggregate([([], "count_all")])
    changed = counted.filter(pc.equal(counted["count_all"], 1))
    session = pa.concat_tables([kept, built])
    return session, _hours(pa.concat_tables([kept, both]), changed)


def unfinal_hours(unfinal: pa.Table, newest: Newest) -> set[int]:
    """Hours since 1970 of stored windows that have become final."""
    hours: set[int] = set()
    for (source, partition), time in newest.items():
        mine = pc.and_(pc.equal(unfinal["source"], source), pc.equal(unfinal["kafka_partition"], partition))
        ends = unfinal.filter(pc.and_(mine, pc.less_equal(unfinal["end_time"], time - LATENESS)))["end_time"]
        hours |= set(np.unique((ends.cast(pa.int64()).to_numpy() - MINUTE_US) // HOUR_US).tolist())
    return hours


def _touched(stored: pa.Table, touched: Iterable[TouchedMinute]) -> pa.ChunkedArray:
    """Which of the stored minutes were built again."""
    minutes, symbols = set(), set()
    for _, symbol, source, start in touched:
        if source in SNAPSHOT_SOURCES:
            symbols.add((symbol, f"{source}_ticks"))
        else:
            minutes.add((symbol, f"{source}_ticks", round(start.timestamp()) // 60))
    places = zip(
        stored["symbol"].to_pylist(),
        stored["source"].to_pylist(),
        (stored["start_time"].cast(pa.int64()).to_numpy() // MINUTE_US).tolist(),
        strict=True,
    )
    found = [place in minutes or place[:2] in symbols for place in places]
    return pa.chunked_array([pa.array(found, pa.bool_())])


def _hours(all_minutes: pa.Table, changed: pa.Table) -> set[int]:
    """Hours with a window that the changed minutes are part of, or that exists because of them.

    Where a minute is a symbol's new last one, windows appear for the minutes since the one before; where it vanished, they go.
    """
    if not changed.num_rows:
        return set()
    columns = ["symbol", "source", "phase", "start_time"]
    marked = pa.concat_tables([all_minutes.select(columns), changed.select(columns)])
    group = numbered(marked, ("symbol", "source", "phase"))
    minute = marked["start_time"].cast(pa.int64()).to_numpy() // MINUTE_US
    is_changed = np.arange(len(minute)) >= all_minutes.num_rows
    places, number = np.unique(np.stack([group, minute]), axis=1, return_inverse=True)
    touched = np.zeros(places.shape[1], bool)
    touched[number.reshape(-1)[is_changed]] = True
    at = np.nonzero(touched)[0]
    own, before = places[1, at], places[1, np.maximum(at - 1, 0)]
    follows = (at > 0) & (places[0, np.maximum(at - 1, 0)] == places[0, at])
    ends = [own, own + REACH, before[follows] + 1, np.minimum(own, before + REACH)[follows]]
    return set(np.unique(np.concatenate(ends) // 60).tolist())
