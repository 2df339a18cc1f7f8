"""raw tables, topics -> what waits to be landed.

Belongs here: comparing what the tables hold with what the broker holds, per topic: how much waits, or why it must not be landed.
Does not belong here: landing it, and whether it has waited for too long.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stock_assets.domain.errors import StockAssetsError, TransientError
from stock_assets.lake.tables import open_table
from stock_assets.landing.plan import plan_landing
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, admin_of, state_of, topics_of


@dataclass(frozen=True)
class Waiting:
    """What of a topic is not landed.

    Attributes:
        first: per partition, the offset that a landing would start at.
        records: per partition, how many offsets wait.
        stopped: why landing must not go on by itself, with what to run; empty when it may.
    """

    topic: Topic
    first: dict[int, int] = field(default_factory=dict)
    records: dict[int, int] = field(default_factory=dict)
    stopped: str = ""

    @property
    def total(self) -> int:
        """Offsets that wait."""
        return sum(self.records.values())


def waiting(lake_root: str, broker: Broker) -> dict[str, Waiting]:
    """What waits of each topic, by its stage; nothing of a topic that does not exist.

    Raises:
        ServiceUnavailable: the broker or the store does not answer.
        PermanentError: one of them refuses us.
    """
    found: dict[str, Waiting] = {}
    with admin_of(broker) as admin:
        for stage, topic in topics_of(broker).items():
            try:
                state = state_of(admin, topic)
                if state is None:
                    found[stage] = Waiting(topic)
                    continue
                plan = plan_landing(open_table(lake_root, topic.table), topic, state)
            except TransientError:
                raise
            except StockAssetsError as broken:
                found[stage] = Waiting(topic, stopped=str(broken))
            else:
                records = {partition: plan.end[partition] - first for partition, first in plan.start.items()}
                found[stage] = Waiting(topic, plan.start, records)
    return found
