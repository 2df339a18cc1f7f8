"""a broker's consumer group -> who lands continuously: at most one process.

Belongs here: taking and asking for that role. The broker itself watches over it: whoever is killed loses it within ten
seconds, and another process that waits for it takes over.
Does not belong here: what the role is for. It is a courtesy, so that two do not get in each other's way; that nothing is
lost or doubled rests on the table's commits alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, admin_of

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

GROUP = "stock-assets-follow"


class Leadership:
    """Candidacy for the role; holds it while the group gives it the topic's first partition."""

    def __init__(self, broker: Broker, topic: Topic) -> None:
        from confluent_kafka import Consumer

        self._held = False
        self._consumer = Consumer(
            {
                **broker.librdkafka(),
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "session.timeout.ms": 10_000,
                "log_level": 2,
            }
        )
        self._consumer.subscribe([topic.name], on_assign=self._assigned, on_revoke=self._revoked)

    def held(self) -> bool:
        """Whether the role is this process's now; ask every few seconds, or it is lost."""
        self._consumer.poll(0)
        return self._held

    def close(self) -> None:
        """Give the role up."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign(partitions)
        consumer.pause(partitions)  # membership is all that is wanted of this consumer
        self._held = any(partition.partition == 0 for partition in partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._held = False


def somebody_leads(broker: Broker) -> bool:
    """Whether some process holds, or stands for, the role.

    Raises:
        ServiceUnavailable: the broker does not answer.
    """
    with admin_of(broker) as admin:
        described: Any = admin.describe_groups([GROUP])
    found = described[GROUP] if isinstance(described, dict) else described[0]
    members = found["members"] if isinstance(found, dict) else getattr(found, "members", None)
    if members is None:
        raise ServiceUnavailable(f"the broker at {broker} does not describe the group {GROUP}")
    return bool(members)
