"""records as a broker would hand them out -> a raw table filled by landings, without a broker.

Belongs here: landing given payloads through the real decoder and commit, rules that can be changed, and what must be
true of the table at any moment. Does not belong here: expected results of single tests.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.landing.commit import Landing, commit
from stock_assets.landing.decode import Decoded, Decoder
from stock_assets.landing.plan import next_offset
from stock_assets.landing.rows import gap_row, rows_of, rows_schema
from stock_assets.raw.completeness import prove
from stock_assets.raw.quarantine import waiting
from stock_assets.raw.redrive import Redrive, redrive
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import TICKS, Topic

DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)
TOPIC_ID = "topic-one"
STORED_MS = 1_381_284_000_000  # 2013-10-09 02:00 UTC: in New York still NEXT_DAY

Payload = bytes | None


def tick(number: int, day: date = DAY, symbol: str = "") -> bytes:
    """A good tick; ``STRICT`` in its symbol is refused by ``StrictDecoder``."""
    return encode(
        Tick(
            symbol=symbol or f"S{number % 7}",
            event_time=instant(session(day).open_time) + number * 1000,
            price=100.0 + number % 5,
            currency="USD",
            source="simulator",
            event_id=str(number),
            size=100,
            conditions=[["@"], [], ["@", "T"], None][number % 4],
        )
    )


VALUES = [tick(0), tick(1, symbol="STRICT"), b"{bad", tick(3, NEXT_DAY, "STRICT2"), None, tick(5)]
"""Records of a partition that strict rules take two of, today's four."""


class StrictDecoder(Decoder):
    """Other rules than today's: a symbol with STRICT in it is refused."""

    def decode(self, values: Sequence[Payload], *args: Any) -> Decoded:
        return super().decode([b"{refused" if value and b"STRICT" in value else value for value in values], *args)


def decoder(strict: bool, topic: Topic = TICKS) -> Decoder:
    return StrictDecoder(topic) if strict else Decoder(topic)


def chunk_of(first: int, values: Sequence[Payload], partition: int = 0) -> Chunk:
    import numpy as np

    offsets = np.arange(first, first + len(values), dtype=np.int64)
    return Chunk(partition, offsets, list(values), STORED_MS + offsets)


def land(
    lake: str,
    values: Sequence[Payload],
    partition: int = 0,
    *,
    strict: bool = False,
    gap: int = 0,
    topic: Topic = TICKS,
    topic_id: str = TOPIC_ID,
    snapshot: DeltaTable | None = None,
) -> Landing:
    """One landing of the records, followed by a gap of that many offsets; against ``snapshot``, else the newest one."""
    table = snapshot or open_or_create_table(lake, topic.table)
    landing_id = uuid.uuid4().hex
    first = next_offset(table, topic_id, partition)
    following = first + len(values)
    parts = [rows_schema(topic).empty_table()]
    if values:
        parts.append(rows_of(topic, chunk_of(first, values, partition), decoder(strict, topic), topic_id, landing_id))
    if gap:
        parts.append(gap_row(topic, partition, following, following + gap - 1, "markers", topic_id, landing_id))
    rows = pa.concat_tables(parts)
    ends = {partition: following + gap}
    return commit(lake, topic, table, rows, topic_id, {partition: first}, ends, landing_id)


def redrive_all(lake: str, **given: Any) -> list[Redrive]:
    return list(redrive(lake, TICKS, **given))


def opened(lake: str, topic: Topic = TICKS) -> DeltaTable:
    handle = open_table(lake, topic.table)
    assert handle is not None
    return handle


def files(lake: str, day: date | None) -> list[str]:
    """Paths of the files of a day's ticks."""
    listed = pa.table(opened(lake).get_add_actions(flatten=True)).to_pylist()
    return [file["path"] for file in listed if file["partition.trading_day"] == day]


def stored(lake: str, topic: Topic = TICKS) -> pa.Table:
    return opened(lake, topic).to_pyarrow_dataset().to_table()


def row_counts(lake: str, topic: Topic = TICKS) -> Counter[str]:
    """The rows as a multiset."""
    return Counter(map(repr, stored(lake, topic).to_pylist()))


def accepted(lake: str, topic: Topic = TICKS) -> Counter[tuple[str, int, int]]:
    rows = [row for row in stored(lake, topic).to_pylist() if row["rejected_because"] is None]
    return Counter((row["topic_id"], row["kafka_partition"], row["kafka_offset"]) for row in rows)


def in_quarantine(lake: str, topic: Topic = TICKS) -> Counter[tuple[str, int, int, Payload]]:
    return Counter(
        (*key, offset, payload)
        for key, rows in waiting(opened(lake, topic), {"payload": ds.field("payload")})
        for offset, payload in zip(rows["kafka_offset"].to_pylist(), rows["payload"].to_pylist(), strict=True)
    )


def holds(lake: str, days: list[date] | None = None, topic: Topic = TICKS) -> bool:
    proofs = prove(lake, topic, days)
    assert proofs
    return all(proof.holds for proof in proofs)


def counts(lake: str, days: list[date] | None = None) -> list[tuple[int, int, int]]:
    """Accepted, rejected and missing ticks of each partition."""
    assert holds(lake, days)
    return [(proof.accepted, proof.rejected, proof.gaps) for proof in prove(lake, TICKS, days)]
