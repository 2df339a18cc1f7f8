"""Several processes share the partitions of a range: the same rows, one commit, and nothing stored when one is killed."""

import multiprocessing
import os
import signal
from contextlib import closing

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from stock_assets.domain.errors import LostOffsets, ServiceUnavailable
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, open_table, table_uri
from stock_assets.landing import shares as processes
from stock_assets.landing.plan import Plan
from stock_assets.landing.prepare import Limits, Reading
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.services.landing_records import NEXT_DAY, create, holds, land_all, send, stored, tick

TWO = Limits(processes=2, share_from=1)

pytestmark = pytest.mark.usefixtures("either_reader")


@pytest.fixture
def topic(admin: KafkaAdminClient) -> Topic:
    return create(admin, f"ticks-{os.urandom(4).hex()}", partitions=3)


def content(lake: str) -> list[dict[str, object]]:
    names = [name for name in RAW_TICKS.names if name != "landing_id"]
    rows = stored(lake).select(names).sort_by([("kafka_partition", "ascending"), ("kafka_offset", "ascending")])
    found: list[dict[str, object]] = rows.to_pylist()
    return found


def test_two_processes_store_what_one_stores_in_one_commit(kafka: Broker, topic: Topic, lake: str) -> None:
    for partition in range(3):
        records = [tick(n), b"{bad", None, tick(n + 1, NEXT_DAY)] if (n := partition * 10) else [tick(n)]
        send(kafka, topic, records, partition)
    (shared,) = land_all(lake, kafka, topic, TWO)
    (alone,) = land_all(lake + "-alone", kafka, topic)
    assert (shared.accepted, shared.rejected, shared.next) == (alone.accepted, alone.rejected, alone.next)
    assert (shared.sessions, shared.version) == (alone.sessions, alone.version)
    assert content(lake) == content(lake + "-alone")
    assert set(stored(lake)["landing_id"].to_pylist()) == {shared.landing_id}
    assert holds(lake, topic)
    assert multiprocessing.active_children() == []


def test_parts_are_bounded_and_follow_each_other(kafka: Broker, topic: Topic, lake: str) -> None:
    for partition, count in enumerate((9000, 30_000, 12_000)):
        send(kafka, topic, [tick(n) for n in range(count)], partition)
    landings = land_all(lake, kafka, topic, Limits(max_rows=16_000, processes=2, share_from=1))
    assert len(landings) > 2
    assert sum(landing.accepted for landing in landings) == 51_000
    assert sum(landing.gaps for landing in landings) == 0
    assert [landing.version for landing in landings] == list(range(1, len(landings) + 1))
    assert all(landing.accepted <= 16_000 + 2 * 5 * 4000 for landing in landings)
    assert holds(lake, topic)
    assert land_all(lake, kafka, topic, TWO) == []


def test_a_killed_process_stores_nothing_and_is_said(
    kafka: Broker, topic: Topic, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for partition in range(3):
        send(kafka, topic, [tick(n) for n in range(10)], partition)
    hear = processes._Process.hear

    def kill_first(process: processes._Process) -> object:
        pid = process._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return hear(process)

    monkeypatch.setattr(processes._Process, "hear", kill_first)
    with pytest.raises(ServiceUnavailable, match="ended with status -9"):
        land_all(lake, kafka, topic, TWO)
    table = open_table(lake, RAW_TICKS)
    assert table is not None and table.version() == 0
    assert multiprocessing.active_children() == []
    monkeypatch.setattr(processes._Process, "hear", hear)
    (landing,) = land_all(lake, kafka, topic, TWO)
    assert landing.accepted == 30
    assert holds(lake, topic)


def test_what_stops_one_process_stops_the_landing_with_its_own_words(
    kafka: Broker, admin: KafkaAdminClient, topic: Topic, lake: str
) -> None:
    for partition in range(3):
        send(kafka, topic, [tick(n) for n in range(10)], partition)
    state = topic_state(kafka, topic)
    assert state is not None
    plan = Plan(state.topic_id, dict.fromkeys(state.end, 0), dict(state.end))
    admin.delete_records({TopicPartition(topic.name, 1): 4})  # after the plan was made
    open_or_create_table(lake, RAW_TICKS)
    with (
        closing(processes.read_range(Reading(table_uri(lake, RAW_TICKS), kafka, topic, plan, TWO))) as parts,
        pytest.raises(LostOffsets, match="partition 1: the broker no longer holds offset 0"),
    ):
        list(parts)


def test_partitions_are_dealt_out_evenly() -> None:
    plan = Plan("topic", dict.fromkeys(range(5), 0), {0: 100, 1: 60, 2: 50, 3: 0, 4: 1})
    dealt = processes._shares(plan, Limits(processes=2, share_from=200))
    assert [sorted(share.end.items()) for share in dealt] == [[(0, 100), (4, 1)], [(1, 60), (2, 50)]]
    assert len(processes._shares(plan, Limits(processes=2, share_from=500))) == 1
    assert len(processes._shares(plan, Limits(processes=8, share_from=1))) == 4
