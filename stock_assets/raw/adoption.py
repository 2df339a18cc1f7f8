"""topic, decision of its owner -> raw table that goes on from it.

Belongs here: accepting, on request, that a topic was created again or lost records before they were landed. What is
missing is stored as a gap with its reason, so that the completeness equation still tells the truth.
"""

from __future__ import annotations

import uuid

import pyarrow as pa

from stock_assets.domain.errors import PermanentError
from stock_assets.lake.tables import open_or_create_table
from stock_assets.landing.commit import Landing, commit
from stock_assets.landing.plan import next_offset
from stock_assets.landing.rows import gap_row
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, topic_state

REASON = "adopted: the broker no longer held these records"


def adopt_topic(lake_root: str, broker: Broker, topic: Topic) -> Landing:
    """Go on from the topic as it is now, and record what of it was never landed.

    Raises:
        PermanentError: there is no such topic.
    """
    state = topic_state(broker, topic)
    if state is None:
        raise PermanentError(f"there is no topic {topic.name} at {broker}")
    table = open_or_create_table(lake_root, topic.table)
    landing_id = f"adopt-{uuid.uuid4().hex}"
    first = {p: next_offset(table, state.topic_id, p) for p in state.end}
    following = {p: max(first[p], state.log_start[p]) for p in first}
    # A partition that lost nothing gets a row of no length: it says that the topic's id is known.
    rows = [gap_row(topic, p, first[p], following[p] - 1, REASON, state.topic_id, landing_id) for p in first]
    return commit(lake_root, topic, table, pa.concat_tables(rows), state.topic_id, first, following, landing_id)
