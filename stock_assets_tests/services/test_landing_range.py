"""Where a landing starts and ends, and what must stop it: each rule against a real broker."""

import uuid

import pytest
from confluent_kafka import Producer
from kafka import TopicPartition
from kafka.admin import ConfigResource, KafkaAdminClient

from stock_assets.domain.errors import (
    LostOffsets,
    TopicRecreated,
    UnsuitableTopic,
)
from stock_assets.domain.messages import encode
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.landing.plan import plan_landing
from stock_assets.raw.adoption import adopt_topic
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import GROUP
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.landing_records import create, holds, land_all, send, tick

pytestmark = pytest.mark.usefixtures("either_reader")


def test_a_topic_created_again_stops_the_drain_until_adopted(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(5)])
    land_all(lake, kafka, topic)
    admin.delete_topics([topic.name])
    wait_for(lambda: topic_state(kafka, topic) is None)
    wait_for(lambda: recreated(admin, topic))
    send(kafka, topic, [tick(n) for n in range(5, 8)])
    with pytest.raises(TopicRecreated, match="adopt-topic ticks"):
        land_all(lake, kafka, topic)
    adopt_topic(lake, kafka, topic)
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 3
    assert len({proof.topic_id for proof in prove(lake, topic)}) == 2
    assert holds(lake, topic)


def test_a_new_partition_starts_at_its_beginning(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(1)], partition=0)
    land_all(lake, kafka, topic)
    admin.create_partitions({topic.name: 3})
    wait_for(lambda: len((topic_state(kafka, topic) or pytest.fail("no topic")).end) == 3)
    send(kafka, topic, [tick(2), tick(3)], partition=2)
    (landing,) = land_all(lake, kafka, topic)
    assert (landing.first, landing.next) == ({2: 0}, {2: 2})


def test_records_deleted_before_they_were_landed_are_an_error_with_the_numbers(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(10)], partition=1)
    admin.delete_records({TopicPartition(topic.name, 1): 4})
    with pytest.raises(LostOffsets, match=r"partition 1: offsets 0 to 3 were deleted .* \(4 records\)"):
        land_all(lake, kafka, topic)
    assert adopt_topic(lake, kafka, topic).gaps == 4
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 6
    assert holds(lake, topic)
    (proof,) = [proof for proof in prove(lake, topic) if proof.partition == 1]
    assert (proof.accepted, proof.gaps, proof.offsets) == (6, 4, 10)


def test_aborted_records_and_markers_become_gap_rows(kafka: Broker, topic: Topic, lake: str) -> None:
    producer = Producer({**kafka.librdkafka(), "transactional.id": uuid.uuid4().hex})
    producer.init_transactions()
    for number, finish in enumerate(
        (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)
    ):
        producer.begin_transaction()
        for step in range(3):
            producer.produce(topic.name, value=encode(tick(number * 3 + step)), partition=0)
        producer.flush()
        finish()
    (landing,) = land_all(lake, kafka, topic)
    # 3 records and a marker, 3 aborted ones and a marker, 3 records and a marker
    assert (landing.accepted, landing.gaps, landing.next[0]) == (6, 6, 12)
    assert holds(lake, topic)
    assert land_all(lake, kafka, topic) == []


def test_a_compacted_topic_is_refused(kafka: Broker, admin: KafkaAdminClient, lake: str) -> None:
    topic = create(admin, f"compacted-{uuid.uuid4().hex[:8]}", cleanup_policy="compact")
    with pytest.raises(UnsuitableTopic, match=r"cleanup\.policy=compact"):
        land_all(lake, kafka, topic)


def test_topics_keep_history_whatever_its_age(kafka: Broker, admin: KafkaAdminClient, topic: Topic) -> None:
    described = admin.describe_configs([ConfigResource("topic", topic.name)], config_filter="all")["topic"][topic.name]
    values = {name: entry["value"] if isinstance(entry, dict) else entry for name, entry in described.items()}
    assert values["message.timestamp.type"] == "LogAppendTime"
    assert values["retention.ms"] == "-1"


def test_publishing_counts_what_the_broker_acknowledged(kafka: Broker) -> None:
    from stock_assets.topic.topics import TICKS, create_topics

    create_topics(kafka, 2)
    before = sum((topic_state(kafka, TICKS) or pytest.fail("no topic")).end.values())
    done = publish(kafka, (tick(n) for n in range(500)))
    assert done.sent == done.acknowledged == {TICKS.name: 500}
    assert sum((topic_state(kafka, TICKS) or pytest.fail("no topic")).end.values()) == before + 500


def test_the_group_shows_the_position_but_decides_nothing(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(4)], partition=0)
    land_all(lake, kafka, topic)
    assert f"'{topic.name}'" in str(admin.list_group_offsets(GROUP))
    state = topic_state(kafka, topic)
    assert state is not None
    assert plan_landing(open_table(lake, RAW_TICKS), topic, state).start[0] == 4


def recreated(admin: KafkaAdminClient, topic: Topic) -> bool:
    from kafka.errors import TopicAlreadyExistsError

    try:
        create(admin, topic.name)
    except TopicAlreadyExistsError:
        return False
    return True
