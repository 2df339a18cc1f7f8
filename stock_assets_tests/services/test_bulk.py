"""Record batches as a broker keeps them, read in bulk: the same records as one by one, whoever wrote them and how."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from stock_assets.domain.errors import LostOffsets
from stock_assets.domain.messages import encode
from stock_assets.settings.kafka import Broker
from stock_assets.topic.bulk import BulkReader
from stock_assets.topic.consume import RangeReader, Reader
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.services.landing_records import create, tick

Found = dict[int, list[tuple[int, bytes | None, int]]]


def read(reader: Reader, chunks_a_part: int = 1000) -> Found:
    """Offset, value and time per partition; in parts, each followed by what the reader still had."""
    found: Found = {p: [] for p in reader.position}

    def take(chunk: Any) -> None:
        rows = zip(chunk.offsets.tolist(), chunk.values, chunk.times_ms.tolist(), strict=True)
        found[chunk.partition] += list(rows)
        assert reader.position[chunk.partition] == chunk.offsets[-1] + 1
        assert chunk.payload_bytes == sum(len(value) for value in chunk.values if value)

    with closing(reader):
        while True:
            part = 0
            for chunk in reader.chunks():
                take(chunk)
                part += 1
                if part == chunks_a_part:
                    break
            for chunk in reader.rest():
                take(chunk)
            if part < chunks_a_part:
                return found


def both(broker: Broker, topic: Topic, start: dict[int, int] | None = None, shorter: int = 0) -> Found:
    """What the two readers find, which is the same."""
    state = topic_state(broker, topic)
    assert state is not None
    end = {p: offset - shorter for p, offset in state.end.items()}
    start = start or dict.fromkeys(end, 0)
    readers: list[Callable[[], Reader]] = [
        lambda: BulkReader(broker, topic, start, end), lambda: RangeReader(broker, topic, start, end)
    ]  # fmt: skip
    in_bulk, one_by_one = (read(reader()) for reader in readers)
    assert in_bulk == one_by_one
    return in_bulk


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_of_both_clients(kafka: Broker, topic: Topic, codec: str) -> None:
    values = [encode(tick(n)) for n in range(1500)]
    fast = Producer({**kafka.librdkafka(), "compression.type": codec, "linger.ms": 20})
    for n, value in enumerate(values):
        fast.produce(topic.name, value=value, key=f"S{n % 7}".encode(), partition=n % 2)
    assert fast.flush(30) == 0
    slow = KafkaProducer(**kafka.kafka_python(), compression_type=None if codec == "none" else codec, linger_ms=20)
    for n, value in enumerate(values):
        slow.send(
            topic.name, value=value, key=None if n % 3 else b"key", partition=n % 2, timestamp_ms=1381150000000 + n
        )
    slow.close()
    found = both(kafka, topic)
    assert sorted(value for rows in found.values() for _, value, _ in rows) == sorted(values * 2)


def test_values_that_are_no_objects_and_records_with_headers(kafka: Broker, topic: Topic) -> None:
    strange = [b"", b"{", b'{"', b'{"{"', b"\x00\x00\x00\x00\x07" + encode(tick(1)), "é€".encode(), b"\xff" * 300, None]
    producer = Producer({**kafka.librdkafka(), "linger.ms": 50})
    for n in range(400):
        value = strange[n // 4 % len(strange)] if n % 4 == 0 else encode(tick(n))
        headers = [("a", b"1"), ("b", None)] if n % 50 == 7 else None
        producer.produce(
            topic.name, value=value, key=b'{"' if n % 9 == 0 else b"k" * (n % 200), headers=headers, partition=0
        )
    assert producer.flush(30) == 0
    assert len(both(kafka, topic)[0]) == 400


def test_a_range_within_batches(kafka: Broker, topic: Topic) -> None:
    producer = Producer({**kafka.librdkafka(), "linger.ms": 50})
    for n in range(3000):
        producer.produce(topic.name, value=encode(tick(n)), key=b"k", partition=n % 2)
    assert producer.flush(30) == 0
    found = both(kafka, topic, {0: 701, 1: 13}, shorter=77)
    assert [(rows[0][0], rows[-1][0]) for rows in found.values()] == [(701, 1422), (13, 1422)]


def test_aborted_transactions_and_marks_are_passed_over(kafka: Broker, topic: Topic) -> None:
    producer = Producer({**kafka.librdkafka(), "transactional.id": topic.name})
    producer.init_transactions()
    for number, end in enumerate([producer.commit_transaction, producer.abort_transaction] * 3):
        producer.begin_transaction()
        for n in range(50):
            producer.produce(topic.name, value=encode(tick(number * 50 + n)), partition=0)
        producer.flush()
        end()
    found = both(kafka, topic)[0]
    assert [offset for offset, _, _ in found] == [n for first in (0, 102, 204) for n in range(first, first + 50)]


def test_parts_that_stop_in_between_miss_nothing(kafka: Broker, admin: KafkaAdminClient) -> None:
    topic = create(admin, "in-parts", partitions=3)
    producer = Producer({**kafka.librdkafka(), "linger.ms": 5, "batch.num.messages": 100})
    values = [encode(tick(n)) for n in range(9000)]
    for first in range(0, len(values), 900):
        for n, value in enumerate(values[first : first + 900]):
            producer.produce(topic.name, value=value, partition=n % 3)
        producer.flush()
    bounds = dict.fromkeys(range(3), 0), dict.fromkeys(range(3), 3000)
    for chunks_a_part in (1, 2, 5):
        found = read(BulkReader(kafka, topic, *bounds, chunk_records=700), chunks_a_part)
        assert [[offset for offset, _, _ in rows] for rows in found.values()] == [list(range(3000))] * 3


@pytest.mark.parametrize("chunks_a_part", [1, 1000])
def test_a_feed_of_small_batches_is_read_to_its_end_by_the_other_reader(
    kafka: Broker, topic: Topic, chunks_a_part: int
) -> None:
    producer = Producer({**kafka.librdkafka(), "batch.num.messages": 2, "linger.ms": 0})
    for n in range(12_000):
        producer.produce(topic.name, value=encode(tick(n)), partition=n % 2)
    assert producer.flush(30) == 0
    reader = BulkReader(kafka, topic, {0: 5, 1: 0}, {0: 6000, 1: 5990}, chunk_records=50)
    found = read(reader, chunks_a_part)
    assert reader._other is not None
    assert [[offset for offset, _, _ in rows] for rows in found.values()] == [list(range(5, 6000)), list(range(5990))]


def test_offsets_that_the_broker_dropped_are_lost_not_skipped(
    kafka: Broker, topic: Topic, admin: KafkaAdminClient
) -> None:
    producer = Producer(kafka.librdkafka())
    for n in range(100):
        producer.produce(topic.name, value=encode(tick(n)), partition=0)
    producer.flush()
    admin.delete_records({TopicPartition(topic.name, 0): 40})
    with (
        closing(BulkReader(kafka, topic, {0: 10}, {0: 100})) as reader,
        pytest.raises(LostOffsets, match="no longer holds"),
    ):
        list(reader.chunks())
