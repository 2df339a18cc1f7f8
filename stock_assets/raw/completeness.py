"""rows of a raw table -> proof that each offset was landed exactly once.

Belongs here: the completeness equation, proved from the stored rows: offsets read = accepted + rejected + gaps, without
a hole and nothing twice. Distinct offsets are counted: a record that was rejected and later redriven has two rows and
counts once, as accepted. Does not belong here: the arithmetic (``offsets``) and the landing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stock_assets.lake.offsets import GAP, REBUILD, REDRIVE, Coverage, cover, resolved
from stock_assets.lake.tables import open_table
from stock_assets.landing.plan import next_offset
from stock_assets.raw.quarantine import by_partition
from stock_assets.topic.topics import Topic

_COLUMNS = {
    **{name: ds.field(name) for name in ("kafka_offset", "offset_span", "rejected_because")},
    # Only a redrive, or a rebuild after one, may accept what a landing rejected.
    "resolves": pc.starts_with(ds.field("landing_id"), REDRIVE) | pc.starts_with(ds.field("landing_id"), REBUILD),
}


@dataclass(frozen=True)
class Proof:
    """The completeness equation of one topic partition, in offsets.

    Attributes:
        landings: landings that stored the offsets (those that touch the session, when one was asked for).
    """

    topic: str
    topic_id: str
    partition: int
    accepted: int
    rejected: int
    gaps: int
    landings: int
    coverage: Coverage

    @property
    def offsets(self) -> int:
        return self.coverage.following - self.coverage.first

    @property
    def holds(self) -> bool:
        return self.coverage.complete and self.offsets == self.accepted + self.rejected + self.gaps

    def __str__(self) -> str:
        sign = "=" if self.offsets == self.accepted + self.rejected + self.gaps else "!="
        equation = f"{self.offsets} read {sign} {self.accepted} accepted + {self.rejected} rejected + {self.gaps} gaps"
        return f"{self.topic}[{self.partition}] {self.coverage}; {equation}"


def prove(lake_root: str, topic: Topic, days: list[date] | None = None) -> list[Proof]:
    """The equation per topic partition; empty when nothing was landed.

    Without ``days``: from offset 0 to the table's next offset. With ``days``: over every landing that touches one of
    the sessions, whatever sessions the rest of it belongs to, and one offset further on both sides, so that a row
    missing at a landing's edge is seen.
    """
    table = open_table(lake_root, topic.table)
    if table is None:
        return []
    dataset = table.to_pyarrow_dataset()
    landings: dict[tuple[str, int], set[str]] = {}
    bounds: dict[tuple[str, int], tuple[int, int]] = {}
    wanted = None
    if days is not None:
        touching = dataset.to_table(columns=["landing_id"], filter=ds.field("trading_day").isin(days))
        wanted = ds.field("landing_id").isin(pc.unique(touching["landing_id"]))
    rows = dataset.to_table(
        columns=["topic_id", "kafka_partition", "kafka_offset", "offset_span", "landing_id"], filter=wanted
    )
    for key, group in by_partition(rows):
        landings[key] = set(pc.unique(group["landing_id"]).to_pylist())
        last = pc.max(pc.add(group["kafka_offset"], group["offset_span"])).as_py()
        bounds[key] = (pc.min(group["kafka_offset"]).as_py(), last)
    del rows
    proofs = []
    for (topic_id, partition), (first, following) in sorted(bounds.items()):
        end = next_offset(table, topic_id, partition)
        first, following = (0, end) if days is None else (max(first - 1, 0), min(following + 1, end))
        near = (ds.field("kafka_offset") >= first) & (ds.field("kafka_offset") < following) | (
            ds.field("offset_span") > 1
        )
        mine = (ds.field("topic_id") == topic_id) & (ds.field("kafka_partition") == partition)
        stored = dataset.to_table(columns=_COLUMNS, filter=mine & near)
        proofs.append(_prove(topic, topic_id, partition, stored, first, following, len(landings[topic_id, partition])))
    return proofs


def _prove(
    topic: Topic, topic_id: str, partition: int, rows: pa.Table, first: int, following: int, landings: int
) -> Proof:
    starts = rows["kafka_offset"].to_numpy()
    ends = starts + rows["offset_span"].to_numpy()
    # A gap row may reach over the bounds: only its part inside counts.
    inside = (ends > first) & (starts < following)
    clipped_starts = starts.clip(first, following)
    spans = ends.clip(first, following) - clipped_starts
    reason = rows["rejected_because"]
    is_gap = pc.fill_null(pc.starts_with(reason, GAP), False).to_numpy()
    is_accepted = pc.is_null(reason).to_numpy()
    is_rejected = ~is_accepted & ~is_gap
    inside &= ~resolved(starts, is_rejected, is_accepted & rows["resolves"].to_numpy())
    return Proof(
        topic=topic.name,
        topic_id=topic_id,
        partition=partition,
        accepted=int(spans[inside & is_accepted].sum()),
        rejected=int(spans[inside & is_rejected].sum()),
        gaps=int(spans[inside & is_gap].sum()),
        landings=landings,
        coverage=cover(clipped_starts[inside], spans[inside], first, following),
    )
