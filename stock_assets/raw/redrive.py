"""quarantine, today's rules -> rows accepted after all.

Belongs here: decoding rejected records again and appending those that are good now, under their own offsets, each once.
Does not belong here: what is in quarantine (``quarantine``), what is good (``decode``).

The rejected row stays; the accepted one resolves it (``completeness`` counts distinct offsets). Each commit carries the
app transaction ``redrive/<topic id>`` = n+1, n from the very snapshot in which the offsets were still in quarantine. So
of two redrives at once the second is refused, and one that starts again finds in its new snapshot what is done already.
Landings carry other transactions: neither disturbs the other.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stock_assets.domain.errors import IncompleteLanding, LandingConflict
from stock_assets.lake.offsets import REDRIVE, WITHDRAWN
from stock_assets.lake.tables import committed_version, open_to_write, table_uri
from stock_assets.lake.transactions import redrives_of
from stock_assets.landing.commit import LANDING_ID
from stock_assets.landing.decode import Decoder
from stock_assets.landing.plan import TOPIC_ID
from stock_assets.landing.prepare import Limits
from stock_assets.landing.rows import rows_of, rows_schema
from stock_assets.raw.quarantine import BATCH_ROWS, TopicPartition, redriven_offsets, rejected_filter, waiting
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from deltalake import DeltaTable

Offsets = npt.NDArray[np.int64]
Portion = dict[int, Offsets]
"""Per partition of one topic the offsets that one commit is about."""


@dataclass(frozen=True)
class Redrive:
    """One part of a redrive: what was tried and what became of it, in records.

    Attributes:
        version: Delta version of the commit; None when nothing was accepted and so nothing committed.
        sessions: accepted rows per session.
    """

    landing_id: str
    topic_id: str
    version: int | None
    accepted: int
    rejected: int
    sessions: dict[date, int]


def redrive(
    lake_root: str,
    topic: Topic,
    reason: str | None = None,
    day: date | None = None,
    limits: Limits | None = None,
    decoder: Decoder | None = None,
) -> Iterator[Redrive]:
    """Try the records in quarantine again, one bounded commit after the other, and yield each when it is stored.

    Records rejected meanwhile are left to the next call, and withdrawn ones to whoever withdrew them (``withdrawal``).

    Args:
        reason: only this class of reason.
        day: only records that the broker stored on this exchange-local day.
        decoder: the rules; today's by default.

    Raises:
        LandingConflict: another redrive of the topic was faster; start again.
    """
    bounds = limits or Limits()
    table = open_to_write(lake_root, topic.table)
    if table is None:
        return
    for topic_id, portion in _portions(table, reason, day, bounds):
        yield _redrive_once(lake_root, topic, topic_id, portion, decoder or Decoder(topic))


def _portions(table: DeltaTable, reason: str | None, day: date | None, limits: Limits) -> list[tuple[str, Portion]]:
    """What to try, in portions that one commit may have; payloads are measured here, not kept."""
    payload_bytes = pc.coalesce(pc.binary_length(ds.field("payload")).cast(pa.int64()), pc.scalar(0))
    found: dict[TopicPartition, list[tuple[Offsets, Offsets]]] = {}
    for key, rows in waiting(table, {"payload_bytes": payload_bytes}, reason, day):
        rows = rows.filter(pc.invert(pc.starts_with(rows["rejected_because"], WITHDRAWN)))
        found.setdefault(key, []).append((rows["kafka_offset"].to_numpy(), rows["payload_bytes"].to_numpy()))
    portions: list[tuple[str, Portion]] = []
    full_of: str | None = None
    rows_left = bytes_left = 0
    for (topic_id, partition), parts in sorted(found.items(), key=lambda entry: entry[0]):
        offsets, sizes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.argsort(offsets)
        offsets, reached = offsets[order], np.cumsum(sizes[order])
        first = before = 0
        while first < len(offsets):
            if topic_id != full_of or rows_left <= 0 or bytes_left <= 0:
                portions.append((topic_id, {}))
                full_of, rows_left, bytes_left = topic_id, limits.max_rows, limits.max_bytes
            portion = portions[-1][1]
            end = min(int(np.searchsorted(reached, before + bytes_left, side="right")), first + rows_left)
            if end == first and not portion:
                end = first + 1  # a single record larger than a commit should be
            if end > first:
                portion[partition] = offsets[first:end]
                rows_left, bytes_left = rows_left - (end - first), bytes_left - (int(reached[end - 1]) - before)
                first, before = end, int(reached[end - 1])
            if first < len(offsets):
                rows_left = 0
    return portions


def _redrive_once(lake_root: str, topic: Topic, topic_id: str, portion: Portion, decoder: Decoder) -> Redrive:
    # Everything is decided from this one handle, which is never refreshed.
    table = open_to_write(lake_root, topic.table)
    assert table is not None
    number = (table.transaction_version(redrives_of(topic_id)) or 0) + 1
    landing_id = f"{REDRIVE}{uuid.uuid4().hex}"
    tried = 0
    parts = [rows_schema(topic).empty_table()]
    for partition, offsets in portion.items():
        span = (topic_id, partition, int(offsets[0]), int(offsets[-1]))
        done = redriven_offsets(table, span).get((topic_id, partition), np.array([], np.int64))
        left = np.setdiff1d(offsets, done)
        tried += len(left)
        for records in _rejected(table, span, left):
            rows = rows_of(topic, _chunk(partition, records), decoder, topic_id, landing_id)
            parts.append(rows.filter(pc.is_null(rows["rejected_because"])))
        _refuse_others(topic, partition, pa.concat_tables(parts), left)
    accepted = pa.concat_tables(parts)
    version = _commit(lake_root, topic, table, accepted, topic_id, number, landing_id)
    days = {entry["values"]: entry["counts"] for entry in accepted["trading_day"].value_counts().to_pylist()}
    rejected = tried - accepted.num_rows
    return Redrive(landing_id, topic_id, version, accepted.num_rows, rejected, dict(sorted(days.items())))


def _rejected(table: DeltaTable, span: tuple[str, int, int, int], offsets: Offsets) -> Iterator[pa.Table]:
    """The rejected rows of these offsets, a batch at a time."""
    topic_id, partition, first, last = span
    mine = (ds.field("topic_id") == topic_id) & (ds.field("kafka_partition") == partition)
    mine &= (ds.field("kafka_offset") >= first) & (ds.field("kafka_offset") <= last)
    scanner = table.to_pyarrow_dataset().scanner(
        columns=["kafka_offset", "kafka_time", "payload"], filter=mine & rejected_filter(), batch_size=BATCH_ROWS
    )
    for batch in scanner.to_batches():
        records = pa.Table.from_batches([batch])
        records = records.filter(pa.array(np.isin(records["kafka_offset"].to_numpy(), offsets)))
        if records.num_rows:
            yield records


def _refuse_others(topic: Topic, partition: int, rows: pa.Table, waiting_offsets: Offsets) -> None:
    """
    Raises:
        IncompleteLanding: a row was not in quarantine, or there are two of it.
    """
    offsets = rows.filter(pc.equal(rows["kafka_partition"], partition))["kafka_offset"].to_numpy()
    if len(np.unique(offsets)) != len(offsets) or not np.isin(offsets, waiting_offsets).all():
        raise IncompleteLanding(
            f"redrive of {topic.name} partition {partition}: an offset would be accepted twice; nothing was stored"
        )


def _chunk(partition: int, records: pa.Table) -> Chunk:
    """The rejected records as they came from the topic."""
    ordered = records.sort_by("kafka_offset")
    times = pc.divide(ordered["kafka_time"].cast(pa.int64()), 1000)
    return Chunk(partition, ordered["kafka_offset"].to_numpy(), ordered["payload"].to_pylist(), times.to_numpy())


def _commit(
    lake_root: str,
    topic: Topic,
    table: DeltaTable,
    rows: pa.Table,
    topic_id: str,
    number: int,
    landing_id: str,
) -> int | None:
    """Append the rows in one commit against the snapshot ``table``, and return its version.

    Raises:
        LandingConflict: another redrive was faster; nothing was stored.
    """
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import DeltaError

    if not rows.num_rows:
        return None
    properties = CommitProperties(
        custom_metadata={LANDING_ID: landing_id, TOPIC_ID: topic_id},
        app_transactions=[Transaction(redrives_of(topic_id), number)],
    )
    try:
        write_deltalake(table, rows, mode="append", commit_properties=properties)
        return int(table.version())
    except (DeltaError, OSError) as broken:
        version = committed_version(lake_root, topic.table, LANDING_ID, landing_id)
        if version is None:
            raise LandingConflict(f"redrive in {table_uri(lake_root, topic.table)}: {broken}") from broken
        return version
