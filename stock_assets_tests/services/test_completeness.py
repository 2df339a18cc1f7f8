"""The proof from the stored rows, and the rebuild of a session from a real broker."""

from pathlib import Path

import pyarrow.compute as pc
import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from stock_assets.domain.errors import LandingConflict, NotRebuildable
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.landing.plan import next_offset
from stock_assets.raw.alerts import alert
from stock_assets.raw.completeness import prove
from stock_assets.raw.rebuild import rebuild
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic
from stock_assets_tests.services.landing_records import DAY, NEXT_DAY, holds, land_all, send, stored, tick


def test_a_lost_row_is_told_by_name(kafka: Broker, topic: Topic, lake: str) -> None:
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
    (told, run) = alert(lake, topic, proof).split(" Run: ")
    assert told.startswith(
        f"{topic.name} (id {proof.topic_id}) partition 0: Offsets 0 to 0 are missing: before them no landing"
    )
    assert "Offsets 5 to 5 are missing: before them landing " in told and "(version 1 of " in told
    assert run.startswith(f"stock-assets verify {DAY}")


def test_a_doubled_row_is_told_by_name(kafka: Broker, topic: Topic, lake: str) -> None:
    from deltalake import write_deltalake

    send(kafka, topic, [tick(n) for n in range(4)], partition=0)
    land_all(lake, kafka, topic)
    rows = stored(lake)
    write_deltalake(str(Path(lake) / RAW_TICKS.path), rows.filter(pc.equal(rows["kafka_offset"], 2)), mode="append")
    (proof,) = prove(lake, topic, [DAY])
    assert "twice 2" in str(proof)
    assert "Offsets 2 to 2 are twice" in alert(lake, topic, proof)


def test_rebuild_replaces_a_session_and_keeps_the_equation(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n, DAY if n % 3 else NEXT_DAY) for n in range(30)])
    (landing,) = land_all(lake, kafka, topic)
    done = rebuild(lake, kafka, topic, DAY)
    assert (done.rows, done.replaced) == (20, True)
    table = open_table(lake, RAW_TICKS)
    assert all(next_offset(table, landing.topic_id, p) == following for p, following in landing.next.items())
    assert holds(lake, topic) and holds(lake, topic, [DAY]) and holds(lake, topic, [NEXT_DAY])


def test_a_rebuild_whose_answer_is_lost_counts_as_stored(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    send(kafka, topic, [tick(n) for n in range(5)])
    land_all(lake, kafka, topic)
    write = deltalake.write_deltalake

    def store_and_lose_the_answer(*args: object, **kwargs: object) -> None:
        write(*args, **kwargs)  # type: ignore[call-overload]
        raise OSError("connection reset")

    def lose_the_request(*args: object, **kwargs: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(deltalake, "write_deltalake", lose_the_request)
    with pytest.raises(LandingConflict, match="connection refused"):
        rebuild(lake, kafka, topic, DAY)
    monkeypatch.setattr(deltalake, "write_deltalake", store_and_lose_the_answer)
    assert rebuild(lake, kafka, topic, DAY).replaced
    assert holds(lake, topic)


def test_rebuild_is_refused_when_rows_would_change(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(kafka, topic, [tick(n) for n in range(6)])
    land_all(lake, kafka, topic)
    monkeypatch.setattr("stock_assets.landing.decode.MAX_RECORD_BYTES", 10)
    with pytest.raises(NotRebuildable, match="6 stored rows would be lost"):
        rebuild(lake, kafka, topic, DAY)
    assert holds(lake, topic)


def test_rebuild_of_what_the_broker_deleted_proves_the_rows_instead(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
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
