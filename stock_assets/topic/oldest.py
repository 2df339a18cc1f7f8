"""topic, an offset per partition -> when the broker stored the records there.

Belongs here: looking at single records for their time alone. Does not belong here: reading ranges (``consume``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic

PATIENCE_S = 4.0


def oldest_stored_at(broker: Broker, topic: Topic, first: Mapping[int, int]) -> datetime | None:
    """When the broker stored the oldest of the first committed records at or after ``first``, per partition an offset.

    None where no partition has one, the broker does not send one within ``PATIENCE_S``, or the topic keeps the times that
    producers gave, which say nothing about the broker's.
    """
    from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaException, TopicPartition

    consumer = Consumer(
        {
            **broker.librdkafka(),
            "group.id": "stock-assets-oldest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "queued.min.messages": 1,
            "fetch.message.max.bytes": 65_536,
            "log_level": 0,
        }
    )
    left, times = set(first), []
    end = time.monotonic() + PATIENCE_S
    try:
        consumer.assign([TopicPartition(topic.name, partition, offset) for partition, offset in first.items()])
        while left and time.monotonic() < end:
            for message in consumer.consume(len(left), timeout=0.2):
                partition = message.partition()
                if message.error() is not None or partition not in left:
                    continue
                left.discard(partition)
                consumer.pause([TopicPartition(topic.name, partition)])
                kind, stored_ms = message.timestamp()
                if kind == TIMESTAMP_LOG_APPEND_TIME:
                    times.append(stored_ms)
    except KafkaException:
        return None
    finally:
        consumer.close()
    return datetime.fromtimestamp(min(times) / 1000, UTC) if times else None
