"""chunk of records -> rows of a raw table.

Belongs here: one row per record, accepted or rejected, with where it came from; rows that stand for no record.
Does not belong here: what a record means (``decode``), and how rows become files (``lake.files``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa

from stock_assets.lake.offsets import GAP
from stock_assets.landing.decode import Decoder
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import Topic

_FEW = {"phase", "topic_id", "landing_id"}


def rows_of(topic: Topic, chunk: Chunk, decoder: Decoder, topic_id: str, landing_id: str) -> pa.Table:
    """The rows of one chunk, accepted and rejected, as the raw table stores them: one per record."""
    decoded = decoder.decode(chunk.values, chunk.times_ms)
    parts = []
    if decoded.accepted:
        columns: dict[str, pa.ChunkedArray | pa.Array] = dict(decoded.columns)
        if decoded.newer:
            kept = [chunk.values[at] if at in decoded.newer else None for at in decoded.accepted]
            columns["payload"] = pa.array(kept, pa.binary())
        parts.append(_with_landing(topic, chunk, decoded.accepted, columns, None, topic_id, landing_id))
    if decoded.rejected:
        parts.append(_with_landing(topic, chunk, decoded.rejected, {}, decoded.reasons, topic_id, landing_id))
    return pa.concat_tables(parts)


def rejected_row(topic: Topic, chunk: Chunk, reason: str, topic_id: str, landing_id: str) -> pa.Table:
    """The row of a chunk's only record, rejected for this reason whatever it says."""
    return _with_landing(topic, chunk, [0], {}, [reason], topic_id, landing_id)


def gap_row(
    topic: Topic, partition: int, first: int, last: int, reason: str, topic_id: str, landing_id: str
) -> pa.Table:
    """One row that accounts for the offsets ``first`` to ``last`` (included), which hold no record."""
    gap = Chunk(partition, np.array([first]), [None], np.zeros(1, dtype=np.int64))
    row = _with_landing(topic, gap, [0], {}, [GAP + reason], topic_id, landing_id)
    at = row.schema.get_field_index("offset_span")
    return row.set_column(at, row.schema.field(at), pa.array([last - first + 1], pa.int64()))


def _with_landing(
    topic: Topic,
    chunk: Chunk,
    positions: list[int],
    columns: Mapping[str, pa.ChunkedArray | pa.Array],
    reasons: list[str] | None,
    topic_id: str,
    landing_id: str,
) -> pa.Table:
    count = len(positions)
    whole = count == len(chunk.offsets)

    times_us = (chunk.times_ms if whole else chunk.times_ms[positions]) * 1000
    present = {
        **columns,
        "topic_id": _repeated(topic_id, count),
        "kafka_partition": pa.repeat(pa.scalar(chunk.partition, pa.int32()), count),
        "kafka_offset": pa.array(chunk.offsets if whole else chunk.offsets[positions], pa.int64()),
        "offset_span": pa.repeat(pa.scalar(1, pa.int64()), count),
        "kafka_time": pa.array(times_us).view(pa.timestamp("us", tz="UTC")),
        "landing_id": _repeated(landing_id, count),
    }
    if reasons is not None:
        present["rejected_because"] = pa.array(reasons, pa.string())
        present["payload"] = pa.array([chunk.values[position] for position in positions], pa.binary())
    schema = rows_schema(topic)
    return pa.Table.from_arrays([present.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)


@cache
def rows_schema(topic: Topic) -> pa.Schema:
    """The raw table's columns as ``rows_of`` gives them: ids of a landing and phases are stored once, not once per row."""
    few = pa.dictionary(pa.int8(), pa.string())
    fields = topic.table.arrow_schema()
    return pa.schema([field.with_type(few) if field.name in _FEW else field for field in fields])


def _repeated(value: str, count: int) -> pa.Array:
    """One value, stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int8)), [value])
