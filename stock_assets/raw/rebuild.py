"""topic -> one session of a raw table, again.

Belongs here: replacing a session's rows by what the topic says now, only when that loses and doubles nothing.
A redriven row is the same row read from the topic: today's rules accept its offset directly. A withdrawn record stays out.
Does not belong here: landing new records, or accepting what is in quarantine (``redrive``); a rebuild reads below the
snapshot's offsets and moves none of them. Its commit removes files and so carries the transaction ``rewrite``, as a
compaction does: of the two, the second is refused, whatever delta-rs makes of them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stock_assets.domain.errors import LandingConflict, NotRebuildable, PermanentError
from stock_assets.domain.universe import Universe
from stock_assets.lake.offsets import REBUILD
from stock_assets.lake.tables import committed_version, open_to_write
from stock_assets.lake.transactions import next_rewrite
from stock_assets.lake.withdrawn import withdrawn_rows
from stock_assets.landing.commit import LANDING_ID
from stock_assets.landing.decode import Decoder
from stock_assets.landing.rows import rows_of, rows_schema
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.topics import Topic, topic_state


@dataclass(frozen=True)
class Rebuild:
    """What a rebuild did: rows of the session, and whether and why it was left as it is."""

    rows: int
    replaced: bool
    reason: str


def rebuild(lake_root: str, broker: Broker, topic: Topic, day: date, universe: Universe | None = None) -> Rebuild:
    """Read the session's offsets again and replace its rows in one commit.

    A session that the broker no longer holds is proved from its rows instead, and left unchanged.

    Raises:
        NotRebuildable: the rows read again are not those stored; nothing was changed.
        LandingConflict: a landing touched the session meanwhile; nothing was changed.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    table = open_to_write(lake_root, topic.table)
    if table is None:
        return Rebuild(0, replaced=False, reason="nothing was landed yet")
    rewrite = next_rewrite(table)
    of_day = ds.field("trading_day") == day
    stored = table.to_pyarrow_dataset().to_table(columns=["topic_id", "kafka_partition", "kafka_offset"], filter=of_day)
    if not stored.num_rows:
        return Rebuild(0, replaced=False, reason="the session has no rows")
    state = topic_state(broker, topic)
    if state is None:
        raise PermanentError(f"there is no topic {topic.name} at {broker}")
    ranges = stored.group_by(["topic_id", "kafka_partition"]).aggregate(
        [("kafka_offset", "min"), ("kafka_offset", "max")]
    )
    start = {r["kafka_partition"]: r["kafka_offset_min"] for r in ranges.to_pylist()}
    end = {r["kafka_partition"]: r["kafka_offset_max"] + 1 for r in ranges.to_pylist()}
    held = pc.unique(stored["topic_id"]).to_pylist() == [state.topic_id]
    if not held or any(state.log_start[p] > first for p, first in start.items()):
        broken = [proof for proof in prove(lake_root, topic, [day]) if not proof.holds]
        if broken:
            raise NotRebuildable(
                f"{day}: the broker no longer holds the session, and its rows are not complete: {broken[0]}"
            )
        return Rebuild(stored.num_rows, replaced=False, reason="the broker no longer holds it; its rows are complete")
    rebuild_id = f"{REBUILD}{uuid.uuid4().hex}"
    rows = _read_again(broker, topic, state.topic_id, start, end, day, universe, rebuild_id)
    rows = _without(rows, withdrawn_rows(table), state.topic_id)
    _refuse_difference(topic, day, stored, rows)
    try:
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            predicate=f"trading_day = '{day}'",
            commit_properties=CommitProperties(custom_metadata={LANDING_ID: rebuild_id}, app_transactions=[rewrite]),
        )
    except (DeltaError, OSError) as broken:
        if committed_version(lake_root, topic.table, LANDING_ID, rebuild_id) is None:
            raise LandingConflict(f"rebuild of {day} in {topic.table.path}: {broken}") from broken
    return Rebuild(rows.num_rows, replaced=True, reason="read again from the topic")


def _read_again(
    broker: Broker,
    topic: Topic,
    topic_id: str,
    start: dict[int, int],
    end: dict[int, int],
    day: date,
    universe: Universe | None,
    rebuild_id: str,
) -> pa.Table:
    decoder = Decoder(topic, universe)
    reader = RangeReader(broker, topic, start, end)
    try:
        parts = [rows_schema(topic).empty_table()]
        for chunk in reader.chunks():
            rows = rows_of(topic, chunk, decoder, topic_id, rebuild_id)
            parts.append(rows.filter(pc.equal(rows["trading_day"], day)))
    finally:
        reader.close()
    return pa.concat_tables(parts).cast(topic.table.arrow_schema())


def _without(rows: pa.Table, withdrawn: pa.Table, topic_id: str) -> pa.Table:
    """The rows whose records are not withdrawn."""
    out = {
        (row["kafka_partition"], row["kafka_offset"]) for row in withdrawn.to_pylist() if row["topic_id"] == topic_id
    }
    if not out:
        return rows
    places = zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True)
    return rows.filter(pa.array([place not in out for place in places], pa.bool_()))


def _refuse_difference(topic: Topic, day: date, stored: pa.Table, read: pa.Table) -> None:
    def offsets(rows: pa.Table) -> set[tuple[int, int]]:
        return set(zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True))

    before, after = offsets(stored), offsets(read)
    if before != after:
        lost, new = sorted(before - after), sorted(after - before)
        raise NotRebuildable(
            f"{topic.name} {day}: {len(lost)} stored rows would be lost (first {lost[:1]}) and {len(new)} others accepted "
            f"(first {new[:1]}), as [(partition, offset)]: the rules changed since; nothing was changed"
            + ("; records in quarantine that are good now are accepted by: stock-assets redrive" if new else "")
        )
