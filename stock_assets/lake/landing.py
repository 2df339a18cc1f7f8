"""topic -> raw table: the landing.

Belongs here: reading a planned range and storing it, every record of it, in one commit together with its offsets.
Does not belong here: the plan (``plan``), the meaning of records (``decode``), the later proof (``completeness``).

Exactly once rests on one thing: the start of the range and the commit come from the same snapshot. Delta refuses a
second writer of the same transaction from the same snapshot; a handle refreshed in between would not be refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from stock_assets.domain.errors import IncompleteLanding, LandingConflict, LostOffsets, PermanentError
from stock_assets.lake import plan as planning
from stock_assets.lake.decode import Decoder, gap_row, rows_of, rows_schema
from stock_assets.lake.offsets import Coverage, cover
from stock_assets.lake.raw_files import write_files
from stock_assets.lake.tables import open_or_create_table, open_table, table_uri
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.topics import Topic, topic_state

if TYPE_CHECKING:
    from deltalake import DeltaTable

LANDING_ID = "stock_assets.landing_id"


@dataclass(frozen=True)
class Limits:
    """Bounds of one commit, and with it of a drain's memory."""

    max_rows: int = 1_000_000
    max_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class Landing:
    """One commit: what was read and what became of it, in records.

    Attributes:
        first, next: per partition that advanced, the first offset read and the first one not read.
        sessions: accepted rows per session.
        version: Delta version of the commit.
    """

    landing_id: str
    topic_id: str
    version: int
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


def land(
    lake_root: str,
    bootstrap: str,
    topic: Topic,
    limits: Limits | None = None,
    universe: Collection[str] | None = None,
) -> Iterator[Landing]:
    """Land what the topic holds now, one bounded commit after the other, and yield each when it is stored.

    Records published meanwhile are left to the next call. ``universe`` are the symbols to accept, any when None.

    Raises:
        LostOffsets, TopicRecreated, UnsuitableTopic: landing would lose or double records; nothing was stored.
        LandingConflict: another landing of the topic was faster; start again.
        ServiceUnavailable: the broker does not answer.
    """
    state = topic_state(bootstrap, topic)
    if state is None:
        raise PermanentError(f"there is no topic {topic.name} at {bootstrap}; create it with: stock-assets topics")
    table = open_or_create_table(lake_root, topic.table)
    plan = planning.plan_landing(table, topic, state)
    if plan.end == plan.start:
        return
    with closing(RangeReader(bootstrap, topic, plan.start, plan.end)) as reader:
        for batch in _batches(reader, topic, plan, limits or Limits(), Decoder(topic, universe)):
            rows = pa.concat_tables([batch.rows, *_gap_rows(bootstrap, topic, plan.topic_id, batch)])
            landing = commit(
                lake_root, topic, table, rows, plan.topic_id, batch.first, batch.following, batch.landing_id
            )
            del rows, batch  # the next range needs their memory
            reader.commit_group(landing.next)
            yield landing


@dataclass(frozen=True)
class _Batch:
    """What one commit will hold: the rows of the offsets from ``first`` to ``following`` (excluded), but for gaps."""

    landing_id: str
    rows: pa.Table
    first: dict[int, int]
    following: dict[int, int]


def _batches(
    reader: RangeReader, topic: Topic, plan: planning.Plan, limits: Limits, decoder: Decoder
) -> Iterator[_Batch]:
    """The range in bounded parts; the records that the reader has at hand when a bound is reached still belong to it."""
    chunks, first = reader.chunks(), dict(plan.start)
    while any(first[p] < plan.end[p] for p in first):
        landing_id = uuid.uuid4().hex
        parts = [rows_schema(topic).empty_table()]
        rows = payload_bytes = 0
        for chunk in chunks:
            parts.append(rows_of(topic, chunk, decoder, plan.topic_id, landing_id))
            rows += len(chunk.values)
            payload_bytes += chunk.payload_bytes
            if rows >= limits.max_rows or payload_bytes >= limits.max_bytes:
                parts += [rows_of(topic, late, decoder, plan.topic_id, landing_id) for late in reader.rest()]
                break
        following = dict(reader.position)
        yield _Batch(landing_id, pa.concat_tables(parts), first, following)
        first = following


def _gap_rows(bootstrap: str, topic: Topic, topic_id: str, batch: _Batch) -> list[pa.Table]:
    """Rows for the offsets that were passed over: transaction markers and aborted records, never lost ones."""
    gaps = [
        (partition, first, last)
        for partition, coverage in _coverage(batch.rows, batch.first, batch.following).items()
        for first, last in coverage.missing
    ]
    if not gaps:
        return []
    state = topic_state(bootstrap, topic)
    if state is None or state.topic_id != topic_id:
        raise LostOffsets(f"{topic.name} was deleted while it was read; nothing of this range was stored")
    for partition, first, last in gaps:
        if first < state.log_start[partition]:
            raise LostOffsets(
                f"{topic.name} partition {partition}: offsets {first} to {last} were deleted by the broker while they were "
                f"read (it starts at {state.log_start[partition]} now); nothing of this range was stored"
            )
    reason = "transaction markers or aborted records"
    return [gap_row(topic, p, first, last, reason, topic_id, batch.landing_id) for p, first, last in gaps]


def _coverage(rows: pa.Table, first: dict[int, int], following: dict[int, int]) -> dict[int, Coverage]:
    """How the rows cover the range, per partition that advanced."""
    partition, offset, span = (rows[name].to_numpy() for name in ("kafka_partition", "kafka_offset", "offset_span"))
    found = {}
    for p, end in following.items():
        if end > first[p]:
            mine = partition == p
            found[p] = cover(offset[mine], span[mine], first[p], end)
    return found


def commit(
    lake_root: str,
    topic: Topic,
    table: DeltaTable,
    rows: pa.Table,
    topic_id: str,
    first: dict[int, int],
    following: dict[int, int],
    landing_id: str,
) -> Landing:
    """Store the rows of the range ``first`` to ``following`` (excluded) in one commit, against the snapshot ``table``.

    Raises:
        IncompleteLanding: the rows do not account for each offset of the range exactly once; nothing was stored.
        LandingConflict: another writer landed first; nothing was stored.
    """
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import DeltaError

    advanced = {p: offset for p, offset in following.items() if offset > first[p]}
    for partition in advanced:
        held = planning.next_offset(table, topic_id, partition)
        if held != first[partition]:
            raise IncompleteLanding(
                f"{topic.name} partition {partition}: the snapshot ends at {held}, the range starts at {first[partition]}"
            )
    prove_range(topic, rows, {p: first[p] for p in advanced}, advanced)
    properties = CommitProperties(
        custom_metadata={
            LANDING_ID: landing_id,
            planning.TOPIC_ID: topic_id,
            "stock_assets.offsets": json.dumps(advanced),
        },
        app_transactions=[Transaction(planning.transaction_id(topic_id, p), offset) for p, offset in advanced.items()],
    )
    before = table.version()
    try:
        files = write_files(table, topic.table, rows, landing_id)
        table.create_write_transaction(
            files, "append", topic.table.arrow_schema(), list(topic.table.partition_by), commit_properties=properties
        )
        # The handle now serves the next range: whatever else was committed meanwhile, that range must start where it ends.
        table.update_incremental()
        version: int | None = table.version()
        if version != before + 1:
            version = committed_version(lake_root, topic, landing_id)
    except (DeltaError, OSError) as broken:
        # The answer may be lost though the commit is stored: only the table itself knows.
        version = committed_version(lake_root, topic, landing_id)
        if version is None:
            raise LandingConflict(f"landing {landing_id} in {table_uri(lake_root, topic.table)}: {broken}") from broken
    if version is None:
        raise LandingConflict(f"landing {landing_id} is not in the history of {table_uri(lake_root, topic.table)}")
    return _landing(rows, topic_id, landing_id, version, {p: first[p] for p in advanced}, advanced)


def committed_version(lake_root: str, topic: Topic, landing_id: str) -> int | None:
    """Version of the commit that stored a landing, or None when none did."""
    table = open_table(lake_root, topic.table)
    if table is None:
        return None
    return next((entry["version"] for entry in table.history(1000) if entry.get(LANDING_ID) == landing_id), None)


def prove_range(topic: Topic, rows: pa.Table, first: dict[int, int], following: dict[int, int]) -> None:
    """Check that the rows account for each offset of the range exactly once.

    Raises:
        IncompleteLanding: they do not; the text names partition and offsets.
    """
    for partition, coverage in _coverage(rows, first, following).items():
        if not coverage.complete:
            raise IncompleteLanding(f"{topic.name} partition {partition}: {coverage}; nothing was stored")


def _landing(
    rows: pa.Table, topic_id: str, landing_id: str, version: int, first: dict[int, int], following: dict[int, int]
) -> Landing:
    reason = rows["rejected_because"]
    is_gap = pc.fill_null(pc.starts_with(reason, "gap: "), False)
    gap_rows = pc.sum(is_gap).as_py() or 0
    days = {entry["values"]: entry["counts"] for entry in rows["trading_day"].value_counts().to_pylist()}
    days.pop(None, None)
    return Landing(
        landing_id=landing_id,
        topic_id=topic_id,
        version=version,
        first=first,
        next=following,
        accepted=reason.null_count,
        rejected=rows.num_rows - reason.null_count - gap_rows,
        gaps=pc.sum(rows["offset_span"].filter(is_gap)).as_py() or 0,
        sessions=dict(sorted(days.items())),
    )
