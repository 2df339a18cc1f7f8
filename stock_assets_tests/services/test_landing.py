"""The landing against a real broker: every rule has a test that fails without it."""

import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pytest
from confluent_kafka import Producer
from kafka import TopicPartition
from kafka.admin import ConfigResource, KafkaAdminClient, NewTopic

from stock_assets.domain.errors import (
    IncompleteLanding,
    LandingConflict,
    LostOffsets,
    NotRebuildable,
    TopicRecreated,
    UnsuitableTopic,
)
from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.adopt import adopt_topic
from stock_assets.lake.completeness import prove
from stock_assets.lake.decode import Decoder, rows_of
from stock_assets.lake.landing import Landing, Limits, commit, land
from stock_assets.lake.plan import next_offset, plan_landing, transaction_id
from stock_assets.lake.rebuild import rebuild
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.topic.consume import GROUP, Chunk
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import SETTINGS, Topic, topic_state

DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> Topic:
    return create(admin, f"ticks-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


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


def send(kafka: str, topic: Topic, records: list[Tick | bytes | None], partition: int | None = None) -> None:
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    for record in records:
        value = encode(record) if isinstance(record, Tick) else record
        placed = {} if partition is None else {"partition": partition}
        producer.produce(topic.name, value=value, key=record.symbol if isinstance(record, Tick) else b"", **placed)
    assert producer.flush(30) == 0


def land_all(lake: str, kafka: str, topic: Topic, limits: Limits | None = None) -> list[Landing]:
    return list(land(lake, kafka, topic, limits))


def holds(lake: str, topic: Topic, days: list[date] | None = None) -> bool:
    proofs = prove(lake, topic, days)
    assert proofs
    return all(proof.holds for proof in proofs)


def stored(lake: str) -> "pc.Table":  # type: ignore[name-defined]
    handle = open_table(lake, RAW_TICKS)
    assert handle is not None
    return handle.to_pyarrow_table()


def test_accepted_rejected_and_offsets_are_one_commit(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(1), b"{bad", None, tick(2, NEXT_DAY)], partition=0)
    (landing,) = land_all(lake, kafka, topic)
    table = open_table(lake, RAW_TICKS)
    assert table is not None and landing.version == table.version() == 1
    assert (landing.accepted, landing.rejected, landing.gaps) == (2, 2, 0)
    assert landing.sessions == {DAY: 1, NEXT_DAY: 1}
    assert table.transaction_version(transaction_id(landing.topic_id, 0)) == 4
    assert table.transaction_version(transaction_id(landing.topic_id, 1)) is None  # it did not advance
    assert holds(lake, topic)


def test_the_next_landing_starts_where_the_table_ends(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(20)])
    assert sum(landing.offsets for landing in land_all(lake, kafka, topic)) == 20
    assert land_all(lake, kafka, topic) == []
    send(kafka, topic, [tick(n) for n in range(20, 25)])
    assert sum(landing.offsets for landing in land_all(lake, kafka, topic)) == 5
    assert stored(lake).num_rows == 25
    assert holds(lake, topic)


def test_a_backlog_is_landed_in_bounded_commits(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(50_000)])
    landings = land_all(lake, kafka, topic, Limits(max_rows=20_000))
    assert len(landings) >= 2
    assert max(landing.accepted for landing in landings) < 45_000
    assert sum(landing.accepted for landing in landings) == 50_000
    assert holds(lake, topic)


def test_a_second_writer_from_the_same_snapshot_is_refused(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(3)], partition=0)
    open_or_create_table(lake, RAW_TICKS)
    first, second = (open_table(lake, RAW_TICKS) for _ in range(2))
    state = topic_state(kafka, topic)
    assert first is not None and second is not None and state is not None
    rows = rows_for(topic, state.topic_id, 3)
    commit(lake, topic, first, rows("a"), state.topic_id, {0: 0}, {0: 3}, "a")
    with pytest.raises(LandingConflict):
        commit(lake, topic, second, rows("b"), state.topic_id, {0: 0}, {0: 3}, "b")
    assert stored(lake).num_rows == 3


def test_a_refreshed_handle_is_caught_before_it_doubles_rows(kafka: str, topic: Topic, lake: str) -> None:
    state = topic_state(kafka, topic)
    assert state is not None
    rows = rows_for(topic, state.topic_id, 3)
    commit(lake, topic, open_or_create_table(lake, RAW_TICKS), rows("a"), state.topic_id, {0: 0}, {0: 3}, "a")
    fresh = open_or_create_table(lake, RAW_TICKS)
    with pytest.raises(IncompleteLanding, match="the snapshot ends at 3, the range starts at 0"):
        commit(lake, topic, fresh, rows("b"), state.topic_id, {0: 0}, {0: 3}, "b")
    assert stored(lake).num_rows == 3


def test_rows_that_miss_an_offset_are_never_stored(kafka: str, topic: Topic, lake: str) -> None:
    state = topic_state(kafka, topic)
    assert state is not None
    rows = rows_for(topic, state.topic_id, 3)("a").slice(1)
    with pytest.raises(IncompleteLanding, match="missing 0"):
        commit(lake, topic, open_or_create_table(lake, RAW_TICKS), rows, state.topic_id, {0: 0}, {0: 3}, "a")


def test_a_commit_whose_answer_is_lost_counts_as_stored(
    kafka: str, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    write = deltalake.write_deltalake

    def store_and_lose_the_answer(*args: object, **kwargs: object) -> None:
        write(*args, **kwargs)  # type: ignore[arg-type]
        raise OSError("connection reset")

    monkeypatch.setattr(deltalake, "write_deltalake", store_and_lose_the_answer)
    send(kafka, topic, [tick(n) for n in range(4)])
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 4
    monkeypatch.undo()
    assert land_all(lake, kafka, topic) == []
    assert holds(lake, topic)


def test_a_commit_that_failed_is_planned_again(
    kafka: str, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    send(kafka, topic, [tick(n) for n in range(4)])
    with monkeypatch.context() as patch, pytest.raises(LandingConflict, match="no space left"):
        patch.setattr(deltalake, "write_deltalake", fail)
        land_all(lake, kafka, topic)
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 4


def test_a_topic_created_again_stops_the_drain_until_adopted(
    kafka: str, admin: KafkaAdminClient, topic: Topic, lake: str
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


def test_a_new_partition_starts_at_its_beginning(kafka: str, admin: KafkaAdminClient, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(1)], partition=0)
    land_all(lake, kafka, topic)
    admin.create_partitions({topic.name: 3})
    wait_for(lambda: len((topic_state(kafka, topic) or pytest.fail("no topic")).end) == 3)
    send(kafka, topic, [tick(2), tick(3)], partition=2)
    (landing,) = land_all(lake, kafka, topic)
    assert (landing.first, landing.next) == ({2: 0}, {2: 2})


def test_records_deleted_before_they_were_landed_are_an_error_with_the_numbers(
    kafka: str, admin: KafkaAdminClient, topic: Topic, lake: str
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


def test_aborted_records_and_markers_become_gap_rows(kafka: str, topic: Topic, lake: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": uuid.uuid4().hex})
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


def test_a_compacted_topic_is_refused(kafka: str, admin: KafkaAdminClient, lake: str) -> None:
    topic = create(admin, f"compacted-{uuid.uuid4().hex[:8]}", cleanup_policy="compact")
    with pytest.raises(UnsuitableTopic, match=r"cleanup\.policy=compact"):
        land_all(lake, kafka, topic)


def test_topics_keep_history_whatever_its_age(kafka: str, admin: KafkaAdminClient, topic: Topic) -> None:
    described = admin.describe_configs([ConfigResource("topic", topic.name)], config_filter="all")["topic"][topic.name]
    values = {name: entry["value"] if isinstance(entry, dict) else entry for name, entry in described.items()}
    assert values["message.timestamp.type"] == "LogAppendTime"
    assert values["retention.ms"] == "-1"


def test_a_lost_row_is_told_by_name(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(9)], partition=0)
    land_all(lake, kafka, topic)
    table = open_table(lake, RAW_TICKS)
    assert table is not None
    table.delete("kafka_offset in (0, 5, 8)")
    for days in (None, [DAY]):
        (proof,) = prove(lake, topic, days)
        assert not proof.holds
        assert "missing 0, 5, 8" in str(proof)
        assert "9 read != 6 accepted" in str(proof)


def test_a_doubled_row_is_told_by_name(kafka: str, topic: Topic, lake: str) -> None:
    from deltalake import write_deltalake

    send(kafka, topic, [tick(n) for n in range(4)], partition=0)
    land_all(lake, kafka, topic)
    rows = stored(lake)
    write_deltalake(str(Path(lake) / RAW_TICKS.path), rows.filter(pc.equal(rows["kafka_offset"], 2)), mode="append")
    (proof,) = prove(lake, topic, [DAY])
    assert "twice 2" in str(proof)


def test_rebuild_replaces_a_session_and_keeps_the_equation(kafka: str, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n, DAY if n % 3 else NEXT_DAY) for n in range(30)])
    (landing,) = land_all(lake, kafka, topic)
    done = rebuild(lake, kafka, topic, DAY)
    assert (done.rows, done.replaced) == (20, True)
    table = open_table(lake, RAW_TICKS)
    assert all(next_offset(table, landing.topic_id, p) == following for p, following in landing.next.items())
    assert holds(lake, topic) and holds(lake, topic, [DAY]) and holds(lake, topic, [NEXT_DAY])


def test_rebuild_is_refused_when_rows_would_change(
    kafka: str, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(kafka, topic, [tick(n) for n in range(6)])
    land_all(lake, kafka, topic)
    monkeypatch.setattr("stock_assets.lake.decode.MAX_RECORD_BYTES", 10)
    with pytest.raises(NotRebuildable, match="6 stored rows would be lost"):
        rebuild(lake, kafka, topic, DAY)
    assert holds(lake, topic)


def test_rebuild_of_what_the_broker_deleted_proves_the_rows_instead(
    kafka: str, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(6)], partition=0)
    land_all(lake, kafka, topic)
    admin.delete_records({TopicPartition(topic.name, 0): 6})
    done = rebuild(lake, kafka, topic, DAY)
    assert (done.rows, done.replaced, done.reason) == (6, False, "the broker no longer holds it; its rows are complete")
    table = open_table(lake, RAW_TICKS)
    assert table is not None
    table.delete("kafka_offset = 3")
    with pytest.raises(NotRebuildable, match="missing 3"):
        rebuild(lake, kafka, topic, DAY)


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_drain_killed_in_mid_landing_loses_and_doubles_nothing(
    kafka: str, topic: Topic, lake: str, moment: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(3000)])
    script = textwrap.dedent(
        f"""
        import os, signal, deltalake
        from stock_assets.domain.messages import Tick
        from stock_assets.domain.tables import RAW_TICKS
        from stock_assets.lake.landing import Limits, land
        from stock_assets.topic.topics import Topic
        write = deltalake.write_deltalake
        def die(*args, **kwargs):
            if {moment!r} == "after the commit":
                write(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        deltalake.write_deltalake = die
        list(land({lake!r}, {kafka!r}, Topic("ticks", {topic.name!r}, Tick, RAW_TICKS)))
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    again = sum(landing.accepted for landing in land_all(lake, kafka, topic))
    assert again == (0 if moment == "after the commit" else 3000)
    assert holds(lake, topic)
    assert stored(lake).num_rows == 3000


def test_the_group_shows_the_position_but_decides_nothing(
    kafka: str, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(4)], partition=0)
    land_all(lake, kafka, topic)
    assert f"'{topic.name}'" in str(admin.list_group_offsets(GROUP))
    state = topic_state(kafka, topic)
    assert state is not None
    assert plan_landing(open_table(lake, RAW_TICKS), topic, state).start[0] == 4


def test_publishing_counts_what_the_broker_acknowledged(kafka: str) -> None:
    from stock_assets.topic.topics import TICKS, create_topics

    create_topics(kafka, 2)
    before = sum((topic_state(kafka, TICKS) or pytest.fail("no topic")).end.values())
    done = publish(kafka, (tick(n) for n in range(500)))
    assert done.sent == done.acknowledged == {TICKS.name: 500}
    assert sum((topic_state(kafka, TICKS) or pytest.fail("no topic")).end.values()) == before + 500


def rows_for(topic: Topic, topic_id: str, count: int) -> Callable[[str], "pc.Table"]:  # type: ignore[name-defined]
    chunk = Chunk(0, list(range(count)), [encode(tick(n)) for n in range(count)], [0] * count)
    return lambda landing_id: rows_of(topic, chunk, Decoder(topic), topic_id, landing_id)


def recreated(admin: KafkaAdminClient, topic: Topic) -> bool:
    from kafka.errors import TopicAlreadyExistsError

    try:
        create(admin, topic.name)
    except TopicAlreadyExistsError:
        return False
    return True


def wait_for(condition: Callable[[], bool], deadline_s: float = 30) -> None:
    import threading
    import time

    deadline, pause = time.monotonic() + deadline_s, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.1)
