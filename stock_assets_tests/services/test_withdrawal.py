"""A withdrawn record beside its topic: its very bytes are kept, and a rebuild of the session leaves it out."""

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from msgspec import json

from stock_assets.domain.messages import encode
from stock_assets.raw.comparison import compare
from stock_assets.raw.rebuild import rebuild
from stock_assets.raw.withdrawal import reinstate, withdraw
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic
from stock_assets_tests.services.landing_records import DAY, holds, land_all, send, stored, tick

FRAME = b"\0\0\0\0\x07"


def payload(lake: str, offset: int) -> bytes | None:
    (row,) = (row for row in stored(lake).to_pylist() if row["kafka_offset"] == offset)
    found: bytes | None = row["payload"]
    return found


def test_its_bytes_are_the_record_s_and_rebuilds_leave_it_out(kafka: Broker, topic: Topic, lake: str) -> None:
    spelled = FRAME + b" " + encode(tick(2)).replace(b":", b" : ")
    newer = encode(tick(3))[:-1] + b',"fee":1}'
    send(kafka, topic, [tick(0), tick(1), spelled, newer, b"{bad"], partition=0)
    land_all(lake, kafka, topic)
    for offset, record in ((2, spelled), (3, newer)):
        withdraw(lake, kafka, topic, 0, offset, "wrong price")
        assert payload(lake, offset) == record
    assert holds(lake, topic) and holds(lake, topic, [DAY])
    assert [found.differences for found in compare(lake, kafka, topic)] == [[]]
    assert rebuild(lake, kafka, topic, DAY).rows == 2
    assert holds(lake, topic)
    for offset in (2, 3):
        reinstate(lake, topic, 0, offset)
    assert rebuild(lake, kafka, topic, DAY).rows == 4
    assert (payload(lake, 2), payload(lake, 3)) == (None, newer)
    assert holds(lake, topic)
    assert [found.differences for found in compare(lake, kafka, topic)] == [[]]


def test_of_a_record_that_is_gone_its_row_is_kept(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(0), tick(1)], partition=0)
    land_all(lake, kafka, topic)
    admin.delete_records({TopicPartition(topic.name, 0): 2})
    withdraw(lake, kafka, topic, 0, 1, "wrong price")
    assert json.decode(payload(lake, 1) or b"") == json.decode(encode(tick(1)))
    assert holds(lake, topic)
    reinstate(lake, topic, 0, 1)
    assert holds(lake, topic) and payload(lake, 1) is None
