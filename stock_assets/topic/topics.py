"""settings -> topics, their settings and their state.

Belongs here: which topics there are, what each carries, how they are created, and what the broker says of them.
Does not belong here: reading (``consume``) and writing (``publish``) messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stock_assets.domain import tables
from stock_assets.domain.errors import PermanentError, ServiceUnavailable, UnsuitableTopic
from stock_assets.domain.messages import Action, Bar, Message, Tick
from stock_assets.domain.table import Table
from stock_assets.settings.kafka import Broker
from stock_assets.topic.clients import connected

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient


@dataclass(frozen=True)
class Topic:
    """One topic: its name, the message it carries, and the one raw table it lands in."""

    stage: str
    name: str
    message: type[Message]
    table: Table


TICKS = Topic("ticks", "stock-market-realtime", Tick, tables.RAW_TICKS)
BARS = Topic("bars", "stock-market-batch", Bar, tables.RAW_BARS)
ACTIONS = Topic("actions", "stock-market-actions", Action, tables.RAW_ACTIONS)
TOPICS: dict[str, Topic] = {topic.stage: topic for topic in (ACTIONS, BARS, TICKS)}
"""Actions first: a bar is un-adjusted by the splits known when it is built."""


def topic_of(message: Message, broker: Broker | None = None) -> Topic:
    """The topic that carries messages of this kind, under its name at ``broker``; without one, under its usual name."""
    found = next(topic for topic in TOPICS.values() if isinstance(message, topic.message))
    return at(broker, found) if broker is not None else found


def at(broker: Broker, topic: Topic) -> Topic:
    """The topic under the name that the settings give it there."""
    return replace(topic, name=broker.topics.of(topic.stage))


def topics_of(broker: Broker) -> dict[str, Topic]:
    """``TOPICS`` under the names that the settings give them."""
    return {stage: at(broker, topic) for stage, topic in TOPICS.items()}


SETTINGS = {
    "cleanup.policy": "delete",
    # History carries its own old timestamps: by those, a broker would delete it within minutes.
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "-1",
    "retention.bytes": "-1",
}


@dataclass(frozen=True)
class TopicState:
    """What the broker says of a topic now.

    Attributes:
        log_start: per partition, the smallest offset still held.
        end: per partition, the first offset that a reader of committed records cannot read yet.
    """

    topic_id: str
    log_start: dict[int, int]
    end: dict[int, int]


def create_topics(broker: Broker, partitions: int, replication: int | None = None) -> list[str]:
    """Create the topics that do not exist yet, and return their names; without ``replication`` as the broker's default is.

    Raises:
        ServiceUnavailable: the broker does not answer.
    """
    from kafka.admin import NewTopic
    from kafka.errors import TopicAlreadyExistsError

    with admin_of(broker) as admin:
        existing = set(admin.list_topics())
        missing = [topic.name for topic in topics_of(broker).values() if topic.name not in existing]
        created = []
        for name in missing:
            # one by one: of several processes that start at once, each creates what the others have not yet
            with suppress(TopicAlreadyExistsError):
                topic = NewTopic(
                    name, num_partitions=partitions, replication_factor=replication or -1, topic_configs=SETTINGS
                )
                admin.create_topics([topic], wait_for_metadata=True)
                created.append(name)
    return created


def topic_state(broker: Broker, topic: Topic) -> TopicState | None:
    """The topic's id and watermarks, or None when there is no such topic.

    Raises:
        ServiceUnavailable: the broker does not answer.
        UnsuitableTopic: the topic is compacted: the broker itself would remove records.
    """
    with admin_of(broker) as admin:
        return state_of(admin, topic)


def state_of(admin: KafkaAdminClient, topic: Topic) -> TopicState | None:
    """As ``topic_state``, by a client of ``admin_of`` that is open already."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    described = admin.describe_topics([topic.name])[0]
    if described["error_code"] == 3:  # unknown topic
        return None
    if described["error_code"]:
        raise ServiceUnavailable(f"the broker cannot describe {topic.name}: error {described['error_code']}")
    _refuse_compacted(admin, topic)
    partitions = [TopicPartition(topic.name, p["partition_index"]) for p in described["partitions"]]
    log_start = admin.list_partition_offsets({p: OffsetSpec.EARLIEST for p in partitions})
    end = admin.list_partition_offsets({p: OffsetSpec.LATEST for p in partitions}, isolation_level=_COMMITTED)
    return TopicState(
        topic_id=str(described["topic_id"]),
        log_start={p.partition: found.offset for p, found in log_start.items()},
        end={p.partition: found.offset for p, found in end.items()},
    )


_COMMITTED = 1


def _refuse_compacted(admin: KafkaAdminClient, topic: Topic) -> None:
    from kafka.admin import ConfigResource

    described: Any = admin.describe_configs([ConfigResource("topic", topic.name)], config_filter="all")
    policy = described["topic"][topic.name]["cleanup.policy"]
    policy = policy["value"] if isinstance(policy, dict) else policy
    if "compact" in policy:
        raise UnsuitableTopic(f"{topic.name} has cleanup.policy={policy}: compaction removes records; set it to delete")


@contextmanager
def admin_of(broker: Broker) -> Iterator[KafkaAdminClient]:
    """An admin client, closed at the end; what the broker refuses becomes a named failure."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    admin = connected(KafkaAdminClient, broker, request_timeout_ms=15_000, bootstrap_timeout_ms=10_000)
    try:
        yield admin
    except KafkaError as broken:
        failure = ServiceUnavailable if getattr(broken, "retriable", False) else PermanentError
        raise failure(f"Kafka at {broker}: {broken}") from broken
    finally:
        admin.close()
