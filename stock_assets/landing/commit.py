"""topic -> raw table: the landing.

Belongs here: storing a planned range, every record of it, in one commit together with its offsets.
Does not belong here: the plan (``plan``), reading it into files (``prepare``), the later proof (``completeness``).

Exactly once rests on one thing: the start of the range and the commit come from the same snapshot. Delta refuses a
second writer of the same transaction from the same snapshot; a handle refreshed in between would not be refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from stock_assets.domain.errors import IncompleteLanding, LandingConflict, PermanentError
from stock_assets.domain.universe import Universe
from stock_assets.lake.tables import committed_version, open_or_create_table, table_uri
from stock_assets.lake.transactions import offsets_of
from stock_assets.landing import plan as planning
from stock_assets.landing.prepare import Limits, Prepared, Range, Reading, prepare
from stock_assets.landing.shares import read_range
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, TopicState, topic_state

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

LANDING_ID = "stock_assets.landing_id"


@dataclass(frozen=True, kw_only=True)
class Landing(Range):
    """One commit; ``version`` is Delta's."""

    version: int


def land(
    lake_root: str,
    broker: Broker,
    topic: Topic,
    limits: Limits | None = None,
    universe: Universe | None = None,
    state: TopicState | None = None,
) -> Iterator[Landing]:
    """Land what the topic holds now, one bounded commit after the other, and yield each when it is stored.

    Records published meanwhile are left to the next call. ``universe`` are the symbols to accept, any when None;
    ``state`` what the broker said of the topic a moment ago, if somebody asked already.

    Raises:
        LostOffsets, TopicRecreated, UnsuitableTopic: landing would lose or double records; nothing was stored.
        LandingConflict: another landing of the topic was faster; start again.
        ServiceUnavailable: the broker does not answer.
    """
    state = state or topic_state(broker, topic)
    if state is None:
        raise PermanentError(f"there is no topic {topic.name} at {broker}; create it with: stock-assets topics")
    table = open_or_create_table(lake_root, topic.table)
    plan = planning.plan_landing(table, topic, state)
    if plan.end == plan.start:
        return
    reading = Reading(table_uri(lake_root, topic.table), broker, topic, plan, limits or Limits(), universe)
    with closing(read_range(reading)) as parts:
        for prepared in parts:
            yield commit_prepared(lake_root, topic, table, prepared)


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
    uri = table_uri(lake_root, topic.table)
    prepared = prepare(uri, topic, rows, topic_id, first, following, landing_id)
    return commit_prepared(lake_root, topic, table, prepared)


def commit_prepared(lake_root: str, topic: Topic, table: DeltaTable, prepared: Prepared) -> Landing:
    """Make the files of a range part of the table in one commit, against the snapshot ``table``.

    Raises:
        IncompleteLanding: the range does not start where the snapshot ends; nothing was stored.
        LandingConflict: another writer landed first; nothing was stored.
    """
    from deltalake import CommitProperties, Transaction
    from deltalake.exceptions import DeltaError

    topic_id, landing_id = prepared.topic_id, prepared.landing_id
    for partition, start in prepared.first.items():
        held = planning.next_offset(table, topic_id, partition)
        if held != start:
            raise IncompleteLanding(
                f"{topic.name} partition {partition}: the snapshot ends at {held}, the range starts at {start}"
            )
    transactions = [Transaction(offsets_of(topic_id, p), offset) for p, offset in prepared.next.items()]
    properties = CommitProperties(
        custom_metadata={
            LANDING_ID: landing_id,
            planning.TOPIC_ID: topic_id,
            "stock_assets.offsets": json.dumps(prepared.next),
        },
        app_transactions=transactions,
    )
    before, shape = table.version(), topic.table
    try:
        table.create_write_transaction(
            prepared.files, "append", shape.arrow_schema(), list(shape.partition_by), commit_properties=properties
        )
        # The handle now serves the next range: whatever else was committed meanwhile, that range must start where it ends.
        table.update_incremental()
        version: int | None = table.version()
        if version != before + 1:
            version = committed_version(lake_root, shape, LANDING_ID, landing_id)
    except (DeltaError, OSError) as broken:
        version = committed_version(lake_root, shape, LANDING_ID, landing_id)
        if version is None:
            raise LandingConflict(f"landing {landing_id} in {table_uri(lake_root, topic.table)}: {broken}") from broken
        _catch_up(table, landing_id)
    if version is None:
        raise LandingConflict(f"landing {landing_id} is not in the history of {table_uri(lake_root, topic.table)}")
    return Landing(**{name.name: getattr(prepared, name.name) for name in fields(Range)}, version=version)


def _catch_up(table: DeltaTable, landing_id: str) -> None:
    """Bring the handle to the commit whose answer was lost: the next range starts where that one ends.

    Raises:
        LandingConflict: the table cannot be read now; what follows is to be planned anew.
    """
    from deltalake.exceptions import DeltaError

    try:
        table.update_incremental()
    except (DeltaError, OSError) as broken:
        raise LandingConflict(f"landing {landing_id} is stored, but its table cannot be read: {broken}") from broken
