"""Topics of a test's own, records to send into them, and what was landed of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc
from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.landing.commit import Landing, land
from stock_assets.landing.decode import Decoder
from stock_assets.landing.prepare import Limits
from stock_assets.landing.rows import rows_of
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import SETTINGS, Topic, topic_state

bulk_from: int | None = None
"""From how many records on landings read record batches; None for as usual. The fixture ``either_reader`` sets it."""
DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)


def create(admin: KafkaAdminClient, name: str, partitions: int = 2, **settings: str) -> Topic:
    config = SETTINGS | {key.replace("_", "."): value for key, value in settings.items()}
    admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)], wait_for_metadata=True)
    return Topic("ticks", name, Tick, RAW_TICKS)


def tick(number: int, day: date = DAY) -> Tick:
    return Tick(
        symbol=f"S{number % 7}",
        event_time=instant(session(day).open_time) + number * 1000,
        price=100.0 + number % 5,
        currency="USD",
        source="simulator",
        event_id=str(number),
        size=100,
    )


def send(kafka: Broker, topic: Topic, records: list[Tick | bytes | None], partition: int | None = None) -> None:
    producer = Producer({**kafka.librdkafka(), "enable.idempotence": True})
    for record in records:
        value = encode(record) if isinstance(record, Tick) else record
        placed = {} if partition is None else {"partition": partition}
        producer.produce(topic.name, value=value, key=record.symbol if isinstance(record, Tick) else b"", **placed)
    assert producer.flush(30) == 0


def read_topic(kafka: Broker, topic: Topic) -> list[dict[str, Any]]:
    """Every message of a topic of which nothing was deleted."""
    found = topic_state(kafka, topic)
    assert found is not None
    consumer = KafkaConsumer(**kafka.kafka_python(), enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(topic.name, number) for number in found.end])
        consumer.seek_to_beginning()
        messages: list[dict[str, Any]] = []
        while len(messages) < sum(found.end.values()):
            batches = consumer.poll(timeout_ms=30_000)
            assert batches, "the topic ends before its end"
            messages += [json.loads(record.value) for records in batches.values() for record in records]
        return messages
    finally:
        consumer.close()


def land_all(lake: str, kafka: Broker, topic: Topic, limits: Limits | None = None) -> list[Landing]:
    given = limits or Limits()
    return list(land(lake, kafka, topic, given if bulk_from is None else replace(given, bulk_from=bulk_from)))


def holds(lake: str, topic: Topic, days: list[date] | None = None) -> bool:
    proofs = prove(lake, topic, days)
    assert proofs
    return all(proof.holds for proof in proofs)


def stored(lake: str) -> "pc.Table":
    handle = open_table(lake, RAW_TICKS)
    assert handle is not None
    return handle.to_pyarrow_table()


def rows_for(topic: Topic, topic_id: str, count: int) -> Callable[[str], "pc.Table"]:
    chunk = Chunk(0, np.arange(count), [encode(tick(n)) for n in range(count)], np.zeros(count, dtype=np.int64))
    return lambda landing_id: rows_of(topic, chunk, Decoder(topic), topic_id, landing_id)
