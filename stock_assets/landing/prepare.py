"""range of a topic -> files of its rows that no commit names yet.

Belongs here: reading a planned range in bounded parts, accounting for each of its offsets, and writing the rows as files.
Does not belong here: the commit that makes them part of the raw table (``commit``), the meaning of records (``decode``).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.compute as pc

from stock_assets.domain.errors import IncompleteLanding, LostOffsets, ServiceUnavailable
from stock_assets.domain.universe import Universe
from stock_assets.lake.files import write_files
from stock_assets.lake.offsets import GAP, Coverage, cover
from stock_assets.landing.decode import Decoder
from stock_assets.landing.plan import Plan
from stock_assets.landing.rows import gap_row, rows_of, rows_schema
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.topic.consume import Reader
from stock_assets.topic.topics import Topic, topic_state

if TYPE_CHECKING:
    from deltalake.transaction import AddAction, RemoveAction


@dataclass(frozen=True)
class Limits:
    """Bounds of one commit, and with it of a drain's memory.

    Attributes:
        processes: how many may share the partitions of a range, from ``share_from`` records on.
        bulk_from: a range of so many records is read as record batches; a shorter one before that has begun.
    """

    max_rows: int = 1_000_000
    max_bytes: int = 64 * 1024 * 1024
    processes: int = 1
    share_from: int = 500_000
    bulk_from: int = 50_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings say."""
        return cls(settings.landing.max_rows, settings.landing.max_bytes, settings.landing.processes)


@dataclass(frozen=True, kw_only=True)
class Range:
    """What was read of a topic and what became of it, in records.

    Attributes:
        first, next: per partition that advanced, the first offset read and the first one not read.
        sessions: accepted rows per session.
    """

    landing_id: str
    topic_id: str
    first: dict[int, int]
    next: dict[int, int]
    accepted: int
    rejected: int
    gaps: int
    sessions: dict[date, int] = field(default_factory=dict)

    @property
    def offsets(self) -> int:
        """Offsets accounted for."""
        return sum(self.next[p] - self.first[p] for p in self.next)


@dataclass(frozen=True, kw_only=True)
class Prepared(Range):
    """A range whose rows are in files; each of its offsets is accounted for exactly once."""

    files: list[AddAction | RemoveAction]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Ranges of different partitions, read under one landing id, as one."""
        given = list(parts)
        sessions: Counter[date] = Counter()
        for part in given:
            sessions.update(part.sessions)
        return cls(
            landing_id=given[0].landing_id,
            topic_id=given[0].topic_id,
            first={p: offset for part in given for p, offset in part.first.items()},
            next={p: offset for part in given for p, offset in part.next.items()},
            accepted=sum(part.accepted for part in given),
            rejected=sum(part.rejected for part in given),
            gaps=sum(part.gaps for part in given),
            sessions=dict(sorted(sessions.items())),
            files=[file for part in given for file in part.files],
        )


@dataclass(frozen=True)
class Reading:
    """What to read, and where its files go.

    Attributes:
        table_uri: folder of the raw table.
        universe: the symbols to accept, any when None.
    """

    table_uri: str
    broker: Broker
    topic: Topic
    plan: Plan
    limits: Limits
    universe: Universe | None = None


def prepare_range(
    reading: Reading, reader: Reader, landing_ids: Callable[[], str] = lambda: uuid.uuid4().hex
) -> Iterator[Prepared]:
    """The range in bounded parts; ``landing_ids`` names each before it is read.

    Raises:
        LostOffsets: the broker no longer holds an offset of the range.
        ServiceUnavailable: the broker does not answer, or the lake takes no file.
    """
    topic, plan = reading.topic, reading.plan
    decoder, first = Decoder(topic, reading.universe), dict(plan.start)
    while any(first[p] < plan.end[p] for p in first):
        landing_id = landing_ids()
        rows = _read(reader, topic, reading.limits, decoder, plan.topic_id, landing_id)
        following = dict(reader.position)
        gaps = _gap_rows(reading.broker, topic, plan.topic_id, rows, first, following, landing_id)
        rows = pa.concat_tables([rows, *gaps])
        prepared = prepare(reading.table_uri, topic, rows, plan.topic_id, first, following, landing_id)
        del rows, gaps  # the next part needs their memory
        yield prepared
        first = following


def prepare(
    table_uri: str,
    topic: Topic,
    rows: pa.Table,
    topic_id: str,
    first: dict[int, int],
    following: dict[int, int],
    landing_id: str,
) -> Prepared:
    """Write the rows of the range ``first`` to ``following`` (excluded) into files in the folder of the table.

    Raises:
        IncompleteLanding: they do not account for each offset of the range exactly once; no file was written.
        ServiceUnavailable: the lake takes no file.
    """
    for partition, coverage in _coverage(rows, first, following).items():
        if not coverage.complete:
            raise IncompleteLanding(f"{topic.name} partition {partition}: {coverage}; nothing was stored")
    advanced = {p: offset for p, offset in following.items() if offset > first[p]}
    reason = rows["rejected_because"]
    is_gap = pc.fill_null(pc.starts_with(reason, GAP), False)
    gap_rows = pc.sum(is_gap).as_py() or 0
    days = {entry["values"]: entry["counts"] for entry in rows["trading_day"].value_counts().to_pylist()}
    days.pop(None, None)
    try:
        files = write_files(table_uri, topic.table, rows, landing_id)
    except OSError as broken:
        raise ServiceUnavailable(
            f"a file of landing {landing_id} could not be written to {table_uri}: {broken}"
        ) from broken
    return Prepared(
        landing_id=landing_id,
        topic_id=topic_id,
        first={p: first[p] for p in advanced},
        next=advanced,
        accepted=reason.null_count,
        rejected=rows.num_rows - reason.null_count - gap_rows,
        gaps=pc.sum(rows["offset_span"].filter(is_gap)).as_py() or 0,
        sessions=dict(sorted(days.items())),
        files=files,
    )


def _read(reader: Reader, topic: Topic, limits: Limits, decoder: Decoder, topic_id: str, landing_id: str) -> pa.Table:
    """Rows up to a bound; the records that the reader has at hand when it is reached still belong to them."""
    parts = [rows_schema(topic).empty_table()]
    rows = payload_bytes = 0
    for chunk in reader.chunks():
        parts.append(rows_of(topic, chunk, decoder, topic_id, landing_id))
        rows += len(chunk.values)
        payload_bytes += chunk.payload_bytes
        if rows >= limits.max_rows or payload_bytes >= limits.max_bytes:
            parts += [rows_of(topic, late, decoder, topic_id, landing_id) for late in reader.rest()]
            break
    return pa.concat_tables(parts)


def _gap_rows(
    broker: Broker,
    topic: Topic,
    topic_id: str,
    rows: pa.Table,
    first: dict[int, int],
    following: dict[int, int],
    landing_id: str,
) -> list[pa.Table]:
    """Rows for the offsets that were passed over: transaction markers and aborted records, never lost ones."""
    gaps = [
        (partition, begin, end)
        for partition, coverage in _coverage(rows, first, following).items()
        for begin, end in coverage.missing
    ]
    if not gaps:
        return []
    state = topic_state(broker, topic)
    if state is None or state.topic_id != topic_id:
        raise LostOffsets(f"{topic.name} was deleted while it was read; nothing of this range was stored")
    for partition, begin, end in gaps:
        if begin < state.log_start[partition]:
            raise LostOffsets(
                f"{topic.name} partition {partition}: offsets {begin} to {end} were deleted by the broker while they were "
                f"read (it starts at {state.log_start[partition]} now); nothing of this range was stored"
            )
    reason = "transaction markers or aborted records"
    return [gap_row(topic, p, begin, end, reason, topic_id, landing_id) for p, begin, end in gaps]


def _coverage(rows: pa.Table, first: dict[int, int], following: dict[int, int]) -> dict[int, Coverage]:
    """How the rows cover the range, per partition that advanced."""
    partition, offset, span = (rows[name].to_numpy() for name in ("kafka_partition", "kafka_offset", "offset_span"))
    found = {}
    for p, end in following.items():
        if end > first[p]:
            mine = partition == p
            found[p] = cover(offset[mine], span[mine], first[p], end)
    return found
