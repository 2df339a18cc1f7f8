"""The landing against a real broker: every rule of a commit has a test that fails without it."""

import signal
import subprocess
import sys
import textwrap

import pytest
from confluent_kafka import Producer

from stock_assets.domain.errors import (
    IncompleteLanding,
    LandingConflict,
)
from stock_assets.domain.messages import encode
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.lake.transactions import offsets_of
from stock_assets.landing.commit import commit
from stock_assets.landing.prepare import Limits
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.services.landing_records import (
    DAY,
    NEXT_DAY,
    holds,
    land_all,
    rows_for,
    send,
    stored,
    tick,
)

pytestmark = pytest.mark.usefixtures("either_reader")


def test_accepted_rejected_and_offsets_are_one_commit(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(1), b"{bad", None, tick(2, NEXT_DAY)], partition=0)
    (landing,) = land_all(lake, kafka, topic)
    table = open_table(lake, RAW_TICKS)
    assert table is not None and landing.version == table.version() == 1
    assert (landing.accepted, landing.rejected, landing.gaps) == (2, 2, 0)
    assert landing.sessions == {DAY: 1, NEXT_DAY: 1}
    assert table.transaction_version(offsets_of(landing.topic_id, 0)) == 4
    assert table.transaction_version(offsets_of(landing.topic_id, 1)) is None  # it did not advance
    assert holds(lake, topic)


def test_the_next_landing_starts_where_the_table_ends(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(20)])
    assert sum(landing.offsets for landing in land_all(lake, kafka, topic)) == 20
    assert land_all(lake, kafka, topic) == []
    send(kafka, topic, [tick(n) for n in range(20, 25)])
    assert sum(landing.offsets for landing in land_all(lake, kafka, topic)) == 5
    assert stored(lake).num_rows == 25
    assert holds(lake, topic)


def test_a_backlog_is_landed_in_bounded_commits(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(50_000)])
    landings = land_all(lake, kafka, topic, Limits(max_rows=20_000))
    assert len(landings) >= 2
    assert max(landing.accepted for landing in landings) < 45_000
    assert sum(landing.accepted for landing in landings) == 50_000
    assert sum(landing.gaps for landing in landings) == 0
    assert holds(lake, topic)


def test_no_record_is_left_behind_between_two_commits(kafka: Broker, topic: Topic, lake: str) -> None:
    producer = Producer(kafka.librdkafka())
    for step in range(40):  # so that a reader gets records of both partitions at once
        for n in range(300):
            producer.produce(topic.name, value=encode(tick(step * 300 + n)), partition=step % 2)
        assert producer.flush(30) == 0
    landings = land_all(lake, kafka, topic, Limits(max_rows=1000))
    assert len(landings) > 2
    assert sum(landing.accepted for landing in landings) == 12_000
    assert sum(landing.gaps for landing in landings) == 0


def test_a_second_writer_from_the_same_snapshot_is_refused(kafka: Broker, topic: Topic, lake: str) -> None:
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


def test_a_refreshed_handle_is_caught_before_it_doubles_rows(kafka: Broker, topic: Topic, lake: str) -> None:
    state = topic_state(kafka, topic)
    assert state is not None
    rows = rows_for(topic, state.topic_id, 3)
    commit(lake, topic, open_or_create_table(lake, RAW_TICKS), rows("a"), state.topic_id, {0: 0}, {0: 3}, "a")
    fresh = open_or_create_table(lake, RAW_TICKS)
    with pytest.raises(IncompleteLanding, match="the snapshot ends at 3, the range starts at 0"):
        commit(lake, topic, fresh, rows("b"), state.topic_id, {0: 0}, {0: 3}, "b")
    assert stored(lake).num_rows == 3


def test_rows_that_miss_an_offset_are_never_stored(kafka: Broker, topic: Topic, lake: str) -> None:
    state = topic_state(kafka, topic)
    assert state is not None
    rows = rows_for(topic, state.topic_id, 3)("a").slice(1)
    with pytest.raises(IncompleteLanding, match="missing 0"):
        commit(lake, topic, open_or_create_table(lake, RAW_TICKS), rows, state.topic_id, {0: 0}, {0: 3}, "a")


def test_a_commit_whose_answer_is_lost_counts_as_stored(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    write = deltalake.DeltaTable.create_write_transaction

    def store_and_lose_the_answer(*args: object, **kwargs: object) -> None:
        write(*args, **kwargs)  # type: ignore[arg-type]
        raise OSError("connection reset")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", store_and_lose_the_answer)
    send(kafka, topic, [tick(n) for n in range(4)])
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 4
    monkeypatch.undo()
    assert land_all(lake, kafka, topic) == []
    assert holds(lake, topic)


def test_a_commit_that_failed_is_planned_again(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    send(kafka, topic, [tick(n) for n in range(4)])
    with monkeypatch.context() as patch, pytest.raises(LandingConflict, match="no space left"):
        patch.setattr(deltalake.DeltaTable, "create_write_transaction", fail)
        land_all(lake, kafka, topic)
    assert sum(landing.accepted for landing in land_all(lake, kafka, topic)) == 4


def test_a_backlog_goes_on_after_an_answer_was_lost(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import deltalake

    write, lost = deltalake.DeltaTable.create_write_transaction, []

    def lose_the_first_answer(*args: object, **kwargs: object) -> None:
        write(*args, **kwargs)  # type: ignore[arg-type]
        if not lost:
            lost.append(True)
            raise OSError("connection reset")

    send(kafka, topic, [tick(n) for n in range(30_000)])
    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", lose_the_first_answer)
    landings = land_all(lake, kafka, topic, Limits(max_rows=5000))
    assert lost and len(landings) > 2
    assert sum(landing.accepted for landing in landings) == stored(lake).num_rows == 30_000
    assert holds(lake, topic)


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_a_drain_killed_in_mid_landing_loses_and_doubles_nothing(
    kafka: Broker, topic: Topic, lake: str, moment: str
) -> None:
    send(kafka, topic, [tick(n) for n in range(3000)])
    script = textwrap.dedent(
        f"""
        import os, signal, deltalake
        from stock_assets.settings.kafka import Broker
        from stock_assets.domain.messages import Tick
        from stock_assets.domain.tables import RAW_TICKS
        from stock_assets.landing.commit import land
        from stock_assets.landing.prepare import Limits
        from stock_assets.topic.topics import Topic
        write = deltalake.DeltaTable.create_write_transaction
        def die(*args, **kwargs):
            if {moment!r} == "after the commit":
                write(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        deltalake.DeltaTable.create_write_transaction = die
        list(land({lake!r}, Broker({kafka.bootstrap!r}), Topic("ticks", {topic.name!r}, Tick, RAW_TICKS)))
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    again = sum(landing.accepted for landing in land_all(lake, kafka, topic))
    assert again == (0 if moment == "after the commit" else 3000)
    assert holds(lake, topic)
    assert stored(lake).num_rows == 3000
