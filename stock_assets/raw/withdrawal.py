"""an accepted record that should not count -> quarantine, and back.

Belongs here: taking the row of one record out of its session, and putting it back, each in one commit.
Does not belong here: what was withdrawn (``withdrawn``), records that a landing rejects (``decode``).

The row that stays has the record's bytes and says why it was withdrawn, when, and which landing had accepted it. It counts as
rejected in the equation. Redrives leave it alone, rebuilds leave it out, and publishers know it. The commit removes files, and
so carries the transaction ``rewrite``: of it and a compaction or rebuild from one snapshot, the second is refused.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from stock_assets.domain.errors import LandingConflict, PermanentError
from stock_assets.domain.messages import SHARE_FIELDS
from stock_assets.lake.offsets import GAP, REDRIVE, WITHDRAW, WITHDRAWN
from stock_assets.lake.tables import committed_version, open_to_write, table_uri
from stock_assets.lake.transactions import next_rewrite
from stock_assets.landing.commit import LANDING_ID
from stock_assets.landing.decode import Decoder
from stock_assets.landing.plan import TOPIC_ID
from stock_assets.landing.rows import rejected_row, rows_of
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import Chunk, RangeReader
from stock_assets.topic.topics import Topic, topic_state

if TYPE_CHECKING:
    from deltalake import DeltaTable

ATTEMPTS = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Withdrawal:
    """One record that was taken out of its session, or put back into it.

    Attributes:
        day: the session.
        version: Delta version of the commit.
    """

    topic_id: str
    partition: int
    offset: int
    symbol: str
    day: date
    version: int


def withdraw(lake_root: str, broker: Broker, topic: Topic, partition: int, offset: int, reason: str) -> Withdrawal:
    """Take an accepted record out of its session.

    Raises:
        PermanentError: no record was accepted there, or there is no reason.
        LandingConflict: others wrote to the table all the time.
        ServiceUnavailable: the broker, which may hold the record's bytes, does not answer.
    """
    if not reason.strip():
        raise PermanentError("say why the record is withdrawn: --reason TEXT")
    record: bytes | None = None
    for attempt in range(ATTEMPTS):
        table, rows = _rows(lake_root, topic, partition, offset)
        row = next((row for row in rows if row["rejected_because"] is None), None)
        if row is None:
            raise PermanentError(f"{topic.name} partition {partition} offset {offset}: {_state(rows)}")
        record = record or row["payload"] or _record(broker, topic, row)
        moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        because = f"{WITHDRAWN}{reason.strip()} ({moment}; accepted by landing {row['landing_id']})"
        landing_id = f"{WITHDRAW}{uuid.uuid4().hex}"
        stored = rejected_row(topic, _chunk(row, record), because, row["topic_id"], landing_id)
        version = _replace(lake_root, topic, table, row, stored, landing_id, last=attempt == ATTEMPTS - 1)
        if version is not None:
            return Withdrawal(row["topic_id"], partition, offset, row["symbol"], row["trading_day"], version)
    raise AssertionError("the last attempt returns or raises")


def reinstate(lake_root: str, topic: Topic, partition: int, offset: int, decoder: Decoder | None = None) -> Withdrawal:
    """Put a withdrawn record back into its session, if today's rules accept it.

    Raises:
        PermanentError: the record is not withdrawn, or rejected by today's rules.
        LandingConflict: others wrote to the table all the time.
    """
    for attempt in range(ATTEMPTS):
        table, rows = _rows(lake_root, topic, partition, offset)
        row = next((row for row in rows if (row["rejected_because"] or "").startswith(WITHDRAWN)), None)
        if row is None:
            raise PermanentError(f"{topic.name} partition {partition} offset {offset} is not withdrawn: {_state(rows)}")
        landing_id = f"{REDRIVE}{uuid.uuid4().hex}"
        accepted = rows_of(topic, _chunk(row, row["payload"]), decoder or Decoder(topic), row["topic_id"], landing_id)
        (again,) = accepted.to_pylist()
        if again["rejected_because"] is not None:
            raise PermanentError(
                f"{topic.name} partition {partition} offset {offset} stays withdrawn, as it is not good by today's rules: "
                f"{again['rejected_because']}"
            )
        version = _replace(lake_root, topic, table, row, accepted, landing_id, last=attempt == ATTEMPTS - 1)
        if version is not None:
            return Withdrawal(row["topic_id"], partition, offset, again["symbol"], again["trading_day"], version)
    raise AssertionError("the last attempt returns or raises")


def _rows(lake_root: str, topic: Topic, partition: int, offset: int) -> tuple[DeltaTable, list[Row]]:
    """All rows of an offset; of a topic that was created again, those of the last one."""
    table = open_to_write(lake_root, topic.table)
    if table is None:
        raise PermanentError(f"{topic.name}: nothing was landed yet")
    at = (ds.field("kafka_partition") == partition) & (ds.field("kafka_offset") == offset)
    rows = table.to_pyarrow_dataset().to_table(filter=at).to_pylist()
    newest = max(rows, key=lambda row: row["kafka_time"] or datetime.min.replace(tzinfo=UTC), default=None)
    return table, [row for row in rows if newest is not None and row["topic_id"] == newest["topic_id"]]


def _state(rows: list[Row]) -> str:
    if not rows:
        return "nothing was landed there"
    reason = rows[0]["rejected_because"]
    if reason is None:
        return "its record is accepted"
    return "no record is there" if reason.startswith(GAP) else f"its record is in quarantine: {reason}"


def _record(broker: Broker, topic: Topic, row: Row) -> bytes:
    """The record's bytes: from the topic, else, where it holds them no longer, as its row says."""
    state, partition, offset = topic_state(broker, topic), row["kafka_partition"], row["kafka_offset"]
    if state is not None and state.topic_id == row["topic_id"] and state.log_start.get(partition, offset + 1) <= offset:
        with closing(RangeReader(broker, topic, {partition: offset}, {partition: offset + 1})) as reader:
            for chunk in reader.chunks():
                if (found := chunk.values[0]) is not None:
                    return found
    said = {name: row[name] for name in topic.message.__struct_fields__ if row.get(name) is not None}
    instants = {name: round(value.timestamp() * 1e6) for name, value in said.items() if isinstance(value, datetime)}
    shares = {
        name: int(value) if value == int(value) else float(value)
        for name, value in said.items()
        if name in SHARE_FIELDS
    }
    return msgspec.json.encode(said | instants | shares)


def _chunk(row: Row, record: bytes | None) -> Chunk:
    moment = row["kafka_time"]
    times_ms = np.array([round(moment.timestamp() * 1000) if moment is not None else 0], dtype=np.int64)
    return Chunk(row["kafka_partition"], np.array([row["kafka_offset"]], dtype=np.int64), [record], times_ms)


def _replace(
    lake_root: str, topic: Topic, table: DeltaTable, old: Row, new: pa.Table, landing_id: str, *, last: bool
) -> int | None:
    """Store the new row instead of all rows of its offset; None when another writer was faster and there is time.

    Raises:
        LandingConflict: another writer was faster, and it was the last attempt.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    place = {name: old[name] for name in ("topic_id", "kafka_partition", "kafka_offset")}
    properties = CommitProperties(
        custom_metadata={LANDING_ID: landing_id, TOPIC_ID: old["topic_id"]}, app_transactions=[next_rewrite(table)]
    )
    try:
        write_deltalake(
            table,
            new.cast(topic.table.arrow_schema()),
            mode="overwrite",
            predicate=" AND ".join(f"{name} = {value!r}" for name, value in place.items()),
            commit_properties=properties,
        )
        return int(table.version())
    except (DeltaError, OSError) as broken:
        version = committed_version(lake_root, topic.table, LANDING_ID, landing_id)
        if version is None and last:
            raise LandingConflict(f"{landing_id} in {table_uri(lake_root, topic.table)}: {broken}") from broken
        return version
