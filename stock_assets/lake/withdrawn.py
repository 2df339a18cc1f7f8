"""raw tables -> which records were withdrawn.

Belongs here: finding the rows of withdrawn records, and the sessions they were taken out of.
Does not belong here: withdrawing (``withdrawal``), other rejected records (``quarantine``).
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

from stock_assets.lake.offsets import WITHDRAW, WITHDRAWN
from stock_assets.topic.subject import Cell, cell_of
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


def withdrawn_rows(table: DeltaTable) -> pa.Table:
    """Rows of the records that are withdrawn: topic_id, kafka_partition, kafka_offset, payload."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    # Other landings' ids come before it: by statistics, their files are not opened.
    wanted = (ds.field("landing_id") >= WITHDRAW) & pc.starts_with(ds.field("landing_id"), WITHDRAW)
    wanted &= pc.starts_with(ds.field("rejected_because"), WITHDRAWN)
    columns = ["topic_id", "kafka_partition", "kafka_offset", "payload"]
    return table.to_pyarrow_dataset().to_table(columns=columns, filter=wanted)


def withdrawn_cells(table: DeltaTable, topic: Topic) -> dict[Cell, int]:
    """Per symbol and session, a checksum of which records are withdrawn."""
    found: dict[Cell, list[str]] = defaultdict(list)
    for row in withdrawn_rows(table).to_pylist():
        cell = cell_of(topic, row["payload"])
        if cell is not None:
            found[cell].append(f"{row['topic_id']}/{row['kafka_partition']}/{row['kafka_offset']}")
    return {cell: zlib.crc32(" ".join(sorted(places)).encode()) for cell, places in found.items()}


def withdrawn_sessions(table: DeltaTable, topic: Topic) -> dict[date, int]:
    """Per session, a checksum of which records are withdrawn."""
    found: dict[date, list[str]] = defaultdict(list)
    for (symbol, day), checksum in withdrawn_cells(table, topic).items():
        found[day].append(f"{symbol} {checksum}")
    return {day: zlib.crc32(" ".join(sorted(texts)).encode()) for day, texts in found.items()}
