"""raw rows, topic -> whether each row says what its own record says.

Belongs here: reading records of a topic again, each decoded alone, and comparing them with the rows of the same offsets.
Does not belong here: offsets (``completeness``), rebuilding (``rebuild``).

``completeness`` proves that each offset has one row; this proves that the row is that record's. A landing decodes records
together, and a fault there would give one the values of another: a checksum of the bytes, stored beside the values, would agree
with the bytes all the same, so that the values themselves are compared. The proof reaches as far back as the topic does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from msgspec import structs

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Message, day_of, decode
from stock_assets.lake.offsets import GAP
from stock_assets.lake.tables import open_table
from stock_assets.raw.quarantine import by_partition
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.schema_registry import unframed
from stock_assets.topic.topics import Topic, topic_state

SAMPLE_WINDOWS, SAMPLE_OFFSETS = 5, 200
"""Parts of a partition that a sample looks at, wherever chance puts them, and the offsets of each."""
_WHOLE_OFFSETS = 20_000
"""Offsets whose rows are in memory at a time when all are compared."""

Row = dict[str, Any]
Window = tuple[int, int]
"""Its first offset (included) and its last (excluded)."""


@dataclass
class Comparison:
    """The rows of one topic partition beside their records.

    Attributes:
        rows: accepted and rejected rows there are, of the sessions asked for.
        compared: those of them that were compared.
        not_held: those whose records the topic does not hold any more.
        differences: one sentence for each row that is not its record's.
    """

    topic: str
    partition: int
    rows: int = 0
    compared: int = 0
    not_held: int = 0
    differences: list[str] = field(default_factory=list)


def compare(
    lake_root: str, broker: Broker, topic: Topic, days: list[date] | None = None, *, every: bool = False
) -> list[Comparison]:
    """Compare rows with their records, partition by partition; empty when there are no rows.

    Args:
        days: only accepted rows of these sessions.
        every: all rows, not a sample.

    Raises:
        LostOffsets: the broker deletes the records while they are read.
        ServiceUnavailable: the broker does not answer.
    """
    table = open_table(lake_root, topic.table)
    if table is None:
        return []
    dataset = table.to_pyarrow_dataset()
    wanted = ds.field("rejected_because").is_null() | ~pc.starts_with(ds.field("rejected_because"), GAP)
    if days is not None:
        wanted &= ds.field("trading_day").isin(days)
    keys = dataset.to_table(columns=["topic_id", "kafka_partition", "kafka_offset"], filter=wanted)
    state = topic_state(broker, topic) if keys.num_rows else None
    found: dict[int, Comparison] = {}
    windows: dict[int, list[Window]] = {}
    for (topic_id, partition), rows in by_partition(keys):
        mine = found.setdefault(partition, Comparison(topic.name, partition))
        mine.rows += rows.num_rows
        held = rows.slice(0, 0)
        if state is not None and state.topic_id == topic_id and partition in state.log_start:
            held = rows.filter(pc.greater_equal(rows["kafka_offset"], state.log_start[partition]))
        mine.not_held += rows.num_rows - held.num_rows
        if held.num_rows:
            bounds = pc.min_max(held["kafka_offset"]).as_py()
            windows[partition] = list(_windows(bounds["min"], bounds["max"] + 1, every))
    for number in range(max(map(len, windows.values()), default=0)):
        part = {p: given[number] for p, given in windows.items() if number < len(given)}
        assert state is not None
        stored = {p: _rows(dataset, topic, state.topic_id, p, window, wanted) for p, window in part.items()}
        _compare(broker, topic, part, stored, found)
    return [found[partition] for partition in sorted(found)]


def _windows(first: int, following: int, every: bool) -> Iterator[Window]:
    size = _WHOLE_OFFSETS if every else SAMPLE_OFFSETS
    if every or following - first <= SAMPLE_WINDOWS * size:
        yield from ((start, min(start + size, following)) for start in range(first, following, size))
        return
    stretch = (following - first) // SAMPLE_WINDOWS
    for number in range(SAMPLE_WINDOWS):
        start = first + number * stretch + random.randint(0, stretch - size)
        yield start, start + size


def _rows(
    dataset: ds.Dataset, topic: Topic, topic_id: str, partition: int, window: Window, wanted: ds.Expression
) -> list[Row]:
    """The rows of a window; instants as microseconds, as messages have them."""
    mine = (ds.field("topic_id") == topic_id) & (ds.field("kafka_partition") == partition)
    offset = ds.field("kafka_offset")
    names = {*_fields(topic.message), "trading_day", "kafka_offset", "rejected_because", "payload"}
    rows = dataset.to_table(columns=sorted(names), filter=wanted & mine & (offset >= window[0]) & (offset < window[1]))
    for at, column in enumerate(rows.schema):
        if pa.types.is_timestamp(column.type):
            rows = rows.set_column(at, column.name, rows[column.name].cast(pa.int64()))
    listed: list[Row] = rows.sort_by("kafka_offset").to_pylist()
    return listed


def _compare(
    broker: Broker,
    topic: Topic,
    windows: dict[int, Window],
    stored: dict[int, list[Row]],
    found: dict[int, Comparison],
) -> None:
    records: dict[int, dict[int, bytes | None]] = {p: {} for p in windows}
    reader = RangeReader(
        broker, topic, {p: first for p, (first, _) in windows.items()}, {p: end for p, (_, end) in windows.items()}
    )
    with closing(reader):
        for chunk in reader.chunks():
            records[chunk.partition].update(zip(chunk.offsets.tolist(), chunk.values, strict=True))
    for partition, rows in stored.items():
        mine = found[partition]
        mine.compared += len(rows)
        for row in rows:
            at = row["kafka_offset"]
            if at not in records[partition]:
                difference: str | None = "the topic has no record there"
            else:
                difference = _difference(topic.message, row, records[partition][at])
            if difference is not None:
                mine.differences.append(f"{topic.name} partition {partition} offset {at}: {difference}")


def _difference(kind: type[Message], row: Row, record: bytes | None) -> str | None:
    """What the row says that its record does not; None when they agree."""
    if row["rejected_because"] is not None:
        return None if row["payload"] == record else "the row in quarantine holds other bytes than the record"
    try:
        said = decode(kind, unframed(record or b""))
    except BadRecord as broken:
        return f"an accepted row of a record that is rejected today: {broken}"
    wrong = [
        f"{name} is {row[name]!r} in the row and {value!r} in the record"
        for name in _fields(kind)
        if (value := getattr(said, name)) != row[name]
    ]
    if (day := day_of(said)) != row["trading_day"]:
        wrong.append(f"trading_day is {row['trading_day']} in the row and {day} by the record")
    return "; ".join(wrong) or None


def _fields(kind: type[Message]) -> list[str]:
    return [field.name for field in structs.fields(kind) if field.name != "schema_version"]
