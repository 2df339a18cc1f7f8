"""snapshot of a raw table, state of its topic -> the range to land next.

Belongs here: where a landing starts (the table's own transactions, nothing else), and everything that must stop it
before it reads: another topic of the same name, offsets the broker no longer holds.
Does not belong here: reading and committing (``commit``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stock_assets.domain.errors import LostOffsets, TopicRecreated
from stock_assets.lake.transactions import offsets_of
from stock_assets.topic.topics import Topic, TopicState

if TYPE_CHECKING:
    from deltalake import DeltaTable

TOPIC_ID = "stock_assets.topic_id"
"""Key in a commit's metadata: the topic the table was last filled from."""


@dataclass(frozen=True)
class Plan:
    """A range per partition: ``start`` included, ``end`` excluded; both have every partition of the topic."""

    topic_id: str
    start: dict[int, int]
    end: dict[int, int]

    @property
    def lag(self) -> int:
        """Offsets that wait."""
        return sum(self.end[p] - self.start[p] for p in self.start)


def plan_landing(table: DeltaTable | None, topic: Topic, state: TopicState) -> Plan:
    """The range from what the snapshot holds to what the broker holds.

    A partition the table does not know starts at 0, never at "earliest".

    Raises:
        TopicRecreated: the table was filled from a topic with another id.
        LostOffsets: the broker deleted offsets that were never landed, or lost its newest records.
    """
    start = {p: next_offset(table, state.topic_id, p) for p in state.end}
    known = known_topic_ids(table)
    if known and state.topic_id not in known:
        raise TopicRecreated(
            f"{topic.name} was deleted and created again: its id is {state.topic_id}, the raw table was filled from "
            f"{', '.join(sorted(known))}. If that is right, run: stock-assets adopt-topic {topic.stage}"
        )
    for partition, first in start.items():
        if first < state.log_start[partition]:
            raise LostOffsets(
                f"{topic.name} partition {partition}: offsets {first} to {state.log_start[partition] - 1} were deleted by the "
                f"broker before they were landed ({state.log_start[partition] - first} records). Raise its retention; to go "
                f"on without them, run: stock-assets adopt-topic {topic.stage}"
            )
        if first > state.end[partition]:
            raise LostOffsets(
                f"{topic.name} partition {partition}: landed up to offset {first - 1}, but the broker ends at "
                f"{state.end[partition] - 1}: it lost records it had acknowledged"
            )
    return Plan(state.topic_id, start, dict(state.end))


def next_offset(table: DeltaTable | None, topic_id: str, partition: int) -> int:
    """First offset of the partition that the snapshot does not hold; 0 when it holds none."""
    if table is None:
        return 0
    return table.transaction_version(offsets_of(topic_id, partition)) or 0


def known_topic_ids(table: DeltaTable | None) -> set[str]:
    """Ids of the topics that the table was filled from, read from its file statistics."""
    import pyarrow as pa

    if table is None:
        return set()
    files = pa.table(table.get_add_actions(flatten=True))
    names: Iterable[str] = [n for n in ("min.topic_id", "max.topic_id") if n in files.column_names]
    return {value for name in names for value in files[name].to_pylist() if value is not None}
