"""raw ticks' files, what the windows hold -> sessions whose windows hold something else.

Belongs here: finding changes of raw ticks that no stream of added rows tells (a withdrawn record, a rebuilt session), from the
statistics in Delta's log alone. Does not belong here: building the windows again (``sessions``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stock_assets.lake.offsets import REBUILD

if TYPE_CHECKING:
    from deltalake import DeltaTable

Place = tuple[date, str, int]
"""trading_day, topic_id, kafka_partition."""
Row = dict[str, Any]


def differing_sessions(
    raw: DeltaTable, progress: Iterable[Row], to_the_end: Collection[date] | None = ()
) -> list[date]:
    """Sessions of ``progress`` of which raw ticks now hold other rows, ascending.

    Args:
        progress: rows of WINDOW_PROGRESS.
        to_the_end: sessions of which all rows of raw are compared, None for all; of others only what lies below the offsets of
            ``progress``, as more is on its way.
    """
    held: dict[Place, int] = defaultdict(int)
    reached: dict[Place, int] = defaultdict(int)
    said: dict[date, set[str]] = defaultdict(set)
    for row in progress:
        place = (row["trading_day"], row["topic_id"], row["kafka_partition"])
        held[place] += row["ticks"]
        reached[place] = max(reached[place], row["next_offset"])
        said[row["trading_day"]].add(row["rebuilt_by"] or "")
    files = files_of(raw, said)
    rebuilt = rebuilt_by(files)
    differing = {day for day, told in said.items() if told != {rebuilt.get(day, "")}}
    counted: dict[Place, int] = defaultdict(int)
    for file in files:
        place = (file["day"], file["topic_id"], file["partition"])
        if to_the_end is None or place[0] in to_the_end or file["last"] < reached.get(place, 0):
            counted[place] += file["rows"]
        elif file["first"] < reached.get(place, 0):
            counted[place] = -(10**18)  # a file with rows of both kinds does not tell how many of each
    differing |= {place[0] for place in {*reached, *counted} if counted[place] >= 0 and counted[place] != held[place]}
    return sorted(differing)


def rebuilt_by(files: Iterable[Row]) -> dict[date, str]:
    """Per session that was rebuilt since it was landed, the id of the rebuild: all its rows have that id, or a later landing's."""
    return {file["day"]: file["landing_id"] for file in files if file["landing_id"].startswith(REBUILD)}


def files_of(raw: DeltaTable, days: Collection[date]) -> list[Row]:
    """The files with accepted ticks of these sessions: day, topic_id, partition, rows, first and last offset, landing_id."""
    listed = pa.table(raw.get_add_actions(flatten=True))
    columns = {
        "day": "partition.trading_day", "topic_id": "min.topic_id", "partition": "partition.kafka_partition",
        "rows": "num_records", "first": "min.kafka_offset", "last": "max.kafka_offset", "landing_id": "max.landing_id",
    }  # fmt: skip
    missing = [name for name in columns.values() if name not in listed.column_names]
    if missing:  # nothing was landed yet
        return []
    found = listed.select(list(columns.values())).rename_columns(list(columns)).to_pylist()
    return [file for file in found if file["day"] in days]
