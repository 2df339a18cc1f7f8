"""raw tables -> records that were rejected and wait for a decision.

Belongs here: what of a raw table is in quarantine (rejected, no gap, not redriven since), per class of reason and record
by record. Does not belong here: rejecting (``decode``), accepting again (``redrive``), printing (the commands).

The class of a reason is its text before the first colon. A rejected row has no session: where a day is asked for, it
is the exchange-local date of ``kafka_time``, the time the broker stored the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.lake.offsets import GAP, REBUILD, REDRIVE
from stock_assets.lake.tables import open_table
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from deltalake import DeltaTable

BATCH_ROWS = 20_000
EXAMPLE_CHARACTERS = 100

TopicPartition = tuple[str, int]


@dataclass(frozen=True)
class ReasonClass:
    """The records in quarantine for one class of reason.

    Attributes:
        first_time, last_time: when the broker stored the first and the last of them.
        example: reason of one of them; ``example_at`` is its partition and offset.
    """

    reason: str
    records: int
    first_time: datetime | None
    last_time: datetime | None
    example: str
    example_at: tuple[int, int]


@dataclass(frozen=True)
class RejectedRecord:
    """Everything that is known of one rejected record.

    Attributes:
        redriven_by: landing that accepted it since; None while it is in quarantine.
        redriven_into: the session it was accepted into.
    """

    topic: str
    topic_id: str
    partition: int
    offset: int
    kafka_time: datetime | None
    landing_id: str
    reason: str
    payload: bytes | None
    redriven_by: str | None
    redriven_into: date | None


def reason_class(reason: str) -> str:
    """The class of a reason."""
    return reason.split(":", 1)[0].strip()


def rejected_filter(day: date | None = None) -> ds.Expression:
    """Rows that were rejected, of a day if one is given; where they were redriven since, too."""
    reason = ds.field("rejected_because")
    wanted = reason.is_valid() & ~pc.starts_with(reason, GAP)
    if day is not None:
        first, following = (
            datetime.combine(moment, time(0), EXCHANGE_ZONE).astimezone(UTC)
            for moment in (day, day + timedelta(days=1))
        )
        wanted &= (ds.field("kafka_time") >= first) & (ds.field("kafka_time") < following)
    return wanted


def redriven_offsets(
    table: DeltaTable, bounds: tuple[str, int, int, int] | None = None
) -> dict[TopicPartition, np.ndarray[Any, np.dtype[np.int64]]]:
    """Per topic id and partition, the offsets that a redrive accepted (or a rebuild after it).

    Args:
        bounds: only this topic id and partition, from the first offset to the last (included).
    """
    # Other landings' ids are hexadecimal digits: with the range, statistics rule their files out.
    landing = ds.field("landing_id")
    wanted = (landing >= min(REDRIVE, REBUILD)) & ds.field("rejected_because").is_null()
    wanted &= pc.starts_with(landing, REDRIVE) | pc.starts_with(landing, REBUILD)
    if bounds is not None:
        topic_id, partition, first, last = bounds
        wanted &= (ds.field("topic_id") == topic_id) & (ds.field("kafka_partition") == partition)
        wanted &= (ds.field("kafka_offset") >= first) & (ds.field("kafka_offset") <= last)
    rows = table.to_pyarrow_dataset().to_table(columns=["topic_id", "kafka_partition", "kafka_offset"], filter=wanted)
    return {key: np.sort(group["kafka_offset"].to_numpy()) for key, group in by_partition(rows)}


def by_partition(rows: pa.Table) -> Iterator[tuple[TopicPartition, pa.Table]]:
    """The rows of each topic id and partition."""
    keys = rows.select(["topic_id", "kafka_partition"]).group_by(["topic_id", "kafka_partition"]).aggregate([])
    for key in sorted(keys.to_pylist(), key=lambda key: (key["topic_id"], key["kafka_partition"])):
        mine = pc.and_(
            pc.equal(rows["topic_id"], key["topic_id"]), pc.equal(rows["kafka_partition"], key["kafka_partition"])
        )
        yield (key["topic_id"], key["kafka_partition"]), rows.filter(mine)


def waiting(
    table: DeltaTable, columns: dict[str, ds.Expression], reason: str | None = None, day: date | None = None
) -> Iterator[tuple[TopicPartition, pa.Table]]:
    """The records in quarantine, a batch at a time, with ``columns``, ``kafka_offset`` and ``rejected_because``.

    Args:
        reason: only this class of reason.
        day: only records that the broker stored on this exchange-local day.
    """
    redriven = redriven_offsets(table)
    named = ("topic_id", "kafka_partition", "kafka_offset", "rejected_because")
    scanner = table.to_pyarrow_dataset().scanner(
        columns={**{name: ds.field(name) for name in named}, **columns},
        filter=rejected_filter(day),
        batch_size=BATCH_ROWS,
    )
    for batch in scanner.to_batches():
        for key, rows in by_partition(pa.Table.from_batches([batch])):
            still = ~np.isin(rows["kafka_offset"].to_numpy(), redriven.get(key, []))
            found = rows.filter(pa.array(still))
            if reason is not None:
                texts = found["rejected_because"].to_pylist()
                found = found.filter(pa.array([reason_class(text) == reason for text in texts], pa.bool_()))
            if found.num_rows:
                yield key, found


def reasons(lake_root: str, topic: Topic, day: date | None = None) -> list[ReasonClass]:
    """What is in quarantine, the most frequent class of reason first."""
    table = open_table(lake_root, topic.table)
    if table is None:
        return []
    found: dict[str, ReasonClass] = {}
    for (_, partition), rows in waiting(table, {"kafka_time": ds.field("kafka_time")}, day=day):
        for text, offset, moment in zip(
            *(rows[name].to_pylist() for name in ("rejected_because", "kafka_offset", "kafka_time")), strict=True
        ):
            kind = reason_class(text)
            seen = found.get(kind) or ReasonClass(
                kind, 0, moment, moment, text[:EXAMPLE_CHARACTERS], (partition, offset)
            )
            times = [t for t in (seen.first_time, seen.last_time, moment) if t is not None]
            found[kind] = replace(
                seen,
                records=seen.records + 1,
                first_time=min(times, default=None),
                last_time=max(times, default=None),
            )
    return sorted(found.values(), key=lambda entry: (-entry.records, entry.reason))


def rejected_record(lake_root: str, topic: Topic, partition: int, offset: int) -> list[RejectedRecord]:
    """The record at an offset as it was rejected; several when the topic was created again, none when it was not."""
    table = open_table(lake_root, topic.table)
    if table is None:
        return []
    at = (ds.field("kafka_partition") == partition) & (ds.field("kafka_offset") == offset)
    names = ["topic_id", "kafka_time", "landing_id", "rejected_because", "payload", "trading_day"]
    rows = table.to_pyarrow_dataset().to_table(columns=names, filter=at).to_pylist()
    accepted = {row["topic_id"]: row for row in rows if row["rejected_because"] is None}
    return [
        RejectedRecord(
            topic=topic.name,
            topic_id=row["topic_id"],
            partition=partition,
            offset=offset,
            kafka_time=row["kafka_time"],
            landing_id=row["landing_id"],
            reason=row["rejected_because"],
            payload=row["payload"],
            redriven_by=accepted.get(row["topic_id"], {}).get("landing_id"),
            redriven_into=accepted.get(row["topic_id"], {}).get("trading_day"),
        )
        for row in rows
        if row["rejected_because"] is not None and not row["rejected_because"].startswith(GAP)
    ]
