"""raw tables -> the symbols and sessions of records that are in quarantine or were lost.

Belongs here: reading from a rejected payload, as far as it can be read, what it is about; and which sessions lie around
offsets that were never landed. What tells neither symbol nor day belongs to no session and is not counted here.
Does not belong here: the quarantine itself (``quarantine``), and what its records mean for a session (``evidence``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.offsets import GAP
from stock_assets.lake.tables import open_table
from stock_assets.raw.quarantine import waiting
from stock_assets.topic.subject import Cell, cell_of
from stock_assets.topic.topics import BARS, TICKS, TOPICS

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOST = f"{GAP}adopted"
"""Beginning of the reason of a gap that is a loss; others are marks of transactions."""
_NEAR = 5_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def rejected_cells(lake_root: str) -> dict[str, Mapping[Cell, Sequence[datetime]]]:
    """Per stage and cell, when the broker stored each record that is in quarantine and says what it is about."""
    handles = {topic.stage: open_table(lake_root, topic.table) for topic in (TICKS, BARS)}
    return {stage: _rejected(stage, Snapshot(handle)) if handle else {} for stage, handle in handles.items()}


def lost_cells(lake_root: str) -> Mapping[Cell, int]:
    """Per cell, the offsets lost around its ticks: in its partition, from the session before them to the one after."""
    handle = open_table(lake_root, RAW_TICKS)
    return _lost(Snapshot(handle)) if handle is not None else {}


class Snapshot:
    """A version of a table, to remember what was read of it by: sensor, assets and checks ask several times in a build."""

    def __init__(self, handle: DeltaTable) -> None:
        self.handle = handle
        self._version = (handle.table_uri, handle.metadata().id, handle.version())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self._version == other._version

    def __hash__(self) -> int:
        return hash(self._version)


@lru_cache(maxsize=4)
def _rejected(stage: str, of: Snapshot) -> Mapping[Cell, Sequence[datetime]]:
    import pyarrow.dataset as ds

    columns = {name: ds.field(name) for name in ("payload", "kafka_time")}
    cells: dict[Cell, list[datetime]] = defaultdict(list)
    for _, rows in waiting(of.handle, columns):
        for payload, stored in zip(rows["payload"].to_pylist(), rows["kafka_time"].to_pylist(), strict=True):
            cell = cell_of(TOPICS[stage], payload)
            if cell is not None:
                cells[cell].append(stored or _LONG_AGO)
    return MappingProxyType(dict(cells))


@lru_cache(maxsize=2)
def _lost(of: Snapshot) -> Mapping[Cell, int]:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    dataset = of.handle.to_pyarrow_dataset()
    columns = ["topic_id", "kafka_partition", "kafka_offset", "offset_span"]
    lost = ds.field("trading_day").is_null() & pc.starts_with(ds.field("rejected_because"), LOST)
    found: dict[Cell, int] = defaultdict(int)
    for gap in dataset.to_table(columns=columns, filter=lost & (ds.field("offset_span") > 0)).to_pylist():
        first, following = gap["kafka_offset"], gap["kafka_offset"] + gap["offset_span"]
        offset = ds.field("kafka_offset")
        in_partition = ds.field("kafka_partition") == gap["kafka_partition"]
        mine = in_partition & (ds.field("topic_id") == gap["topic_id"])
        near = ((offset >= first - _NEAR) & (offset < first)) | ((offset >= following) & (offset < following + _NEAR))
        days = _days_around(
            dataset.to_table(columns=["trading_day", "kafka_offset"], filter=mine & near).to_pylist(), first
        )
        if days:
            of_days = (ds.field("trading_day") >= days[0]) & (ds.field("trading_day") <= days[-1])
            touched = dataset.to_table(columns=["symbol", "trading_day"], filter=in_partition & of_days)
            for cell in touched.group_by(["symbol", "trading_day"]).aggregate([]).to_pylist():
                found[cell["symbol"], cell["trading_day"]] += gap["offset_span"]
    return MappingProxyType(dict(found))


def _days_around(rows: Sequence[dict[str, Any]], first: int) -> list[date]:
    """The sessions from that of the last row before an offset to that of the first one after it."""
    dated = sorted((row["kafka_offset"], row["trading_day"]) for row in rows if row["trading_day"] is not None)
    before = [day for offset, day in dated if offset < first][-1:]
    after = [day for offset, day in dated if offset >= first][:1]
    return sorted({*before, *after})
