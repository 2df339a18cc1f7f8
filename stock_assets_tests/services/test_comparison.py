"""Rows beside their records: a row that says what another record says is told, however complete the offsets are."""

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from stock_assets.domain.messages import encode
from stock_assets.lake.tables import table_uri
from stock_assets.raw import comparison
from stock_assets.raw.comparison import compare
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic
from stock_assets_tests.services.landing_records import DAY, NEXT_DAY, create, holds, land_all, send, stored, tick


def change(lake: str, topic: Topic, offsets: dict[int, dict[str, object]]) -> None:
    """Store the rows at these offsets of partition 0 with other values."""
    rows = stored(lake).to_pylist()
    changed = [row | (offsets.get(row["kafka_offset"], {}) if row["kafka_partition"] == 0 else {}) for row in rows]
    table = pa.Table.from_pylist(changed, schema=topic.table.arrow_schema())
    write_deltalake(table_uri(lake, topic.table), table, mode="overwrite")


@pytest.mark.parametrize("every", [False, True])
def test_each_row_is_its_own_record(kafka: Broker, topic: Topic, lake: str, every: bool) -> None:
    newer = b'\0\0\0\0\x07{"fee":1,' + _bytes(3)[1:]
    for partition in (0, 1):
        send(kafka, topic, [tick(1), b"{bad", None, tick(2, NEXT_DAY), newer], partition=partition)
    land_all(lake, kafka, topic)
    found = compare(lake, kafka, topic, every=every)
    assert [(each.partition, each.rows, each.compared, each.not_held, each.differences) for each in found] == [
        (0, 5, 5, 0, []),
        (1, 5, 5, 0, []),
    ]
    assert [each.rows for each in compare(lake, kafka, topic, [NEXT_DAY], every=every)] == [1, 1]


def test_rows_under_each_other_s_offsets_are_told_though_every_offset_is_there(
    kafka: Broker, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [*(tick(n) for n in range(6)), b"{bad", tick(7)], partition=0)
    land_all(lake, kafka, topic)
    change(
        lake,
        topic,
        {
            2: {"event_id": "3"},
            3: {"price": 100.5, "event_id": "2"},
            4: {"trading_day": NEXT_DAY},
            6: {"payload": b"{worse"},
        },
    )
    assert holds(lake, topic)
    (found,) = compare(lake, kafka, topic)
    assert [text.split(" offset ")[1] for text in found.differences] == [
        "2: event_id is '3' in the row and '2' in the record",
        "3: price is 100.5 in the row and 103.0 in the record; event_id is '2' in the row and '3' in the record",
        f"4: trading_day is {NEXT_DAY} in the row and {DAY} by the record",
        "6: the row in quarantine holds other bytes than the record",
    ]


def test_an_accepted_row_of_a_broken_record_is_told(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(0), b"{half", tick(2)], partition=0)
    land_all(lake, kafka, topic)
    (good,) = (row for row in stored(lake).to_pylist() if row["kafka_offset"] == 0)
    landing = ("kafka_offset", "landing_id")
    change(lake, topic, {1: {name: value for name, value in good.items() if name not in landing}})
    (found,) = compare(lake, kafka, topic)
    (told,) = found.differences
    assert "offset 1: an accepted row of a record that is rejected today: bad json: tick {half" in told


def test_a_sample_takes_parts_of_a_long_partition(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "SAMPLE_OFFSETS", 20)
    send(kafka, topic, [tick(n) for n in range(1000)], partition=0)
    land_all(lake, kafka, topic)
    (found,) = compare(lake, kafka, topic)
    assert (found.rows, found.compared) == (1000, 100)
    monkeypatch.setattr(comparison, "_WHOLE_OFFSETS", 300)
    (found,) = compare(lake, kafka, topic, every=True)
    assert (found.rows, found.compared) == (1000, 1000)


def test_records_that_are_gone_are_counted(kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(9)], partition=0)
    land_all(lake, kafka, topic)
    admin.delete_records({TopicPartition(topic.name, 0): 4})
    (found,) = compare(lake, kafka, topic)
    assert (found.rows, found.compared, found.not_held, found.differences) == (9, 5, 4, [])
    admin.delete_topics([topic.name])
    (found,) = compare(lake, kafka, topic)
    assert (found.rows, found.compared, found.not_held) == (9, 0, 9)
    create(admin, topic.name)
    (found,) = compare(lake, kafka, topic)
    assert (found.rows, found.compared, found.not_held) == (9, 0, 9)


def _bytes(number: int) -> bytes:
    return encode(tick(number))
