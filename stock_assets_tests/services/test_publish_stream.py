"""Publishing in bulk to a real broker: everything is acknowledged, or it raises."""

import threading
from datetime import UTC, datetime
from itertools import islice

import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.kafka import Broker
from stock_assets.sources.simulated_market import Faults, due_at_rate, endless_ticks, faulty
from stock_assets.topic.publish_stream import publish_stream
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.services.landing_records import holds, land_all

STARTED = datetime(2025, 6, 30, 14, tzinfo=UTC)
AT_ONCE = float("inf")


def stored(kafka: Broker, topic: Topic) -> int:
    state = topic_state(kafka, topic)
    assert state is not None
    return sum(state.end.values())


def test_more_records_than_the_queue_holds_are_all_acknowledged(kafka: Broker, topic: Topic, lake: str) -> None:
    ticks = islice(endless_ticks(["AAPL", "IBM", "MSFT"], 1, STARTED, 1000), 250_000)
    records = faulty(ticks, Faults(duplicates=0.01, malformed=0.01), 1)
    done = publish_stream(kafka, topic, due_at_rate(records, AT_ONCE))
    assert done.records > 250_000
    assert stored(kafka, topic) == done.records
    landings = land_all(lake, kafka, topic)
    assert sum(landing.accepted + landing.rejected for landing in landings) == done.records
    assert 2000 < sum(landing.rejected for landing in landings) < 3000
    assert holds(lake, topic)


def test_a_stop_ends_an_endless_stream_and_counts_what_went_out(kafka: Broker, topic: Topic) -> None:
    stop = threading.Event()

    def published(count: int) -> None:
        if count >= 300:
            stop.set()

    endless = due_at_rate(endless_ticks(["AAPL"], 1, STARTED, 2000), 2000)
    done = publish_stream(kafka, topic, endless, stop, published)
    assert done.records >= 300
    assert stored(kafka, topic) == done.records


def test_while_nothing_is_due_the_caller_hears_that_it_goes_on(kafka: Broker, topic: Topic) -> None:
    """What was sent is acknowledged long before the next record, of tomorrow, is due."""
    stop, heard = threading.Event(), list[int]()

    def published(count: int) -> None:
        heard.append(count)
        if heard.count(1) == 2:
            stop.set()

    (tick,) = islice(endless_ticks(["AAPL"], 1, STARTED, 1), 1)
    assert publish_stream(kafka, topic, [(0.0, tick), (86_400.0, tick)], stop, published).records == 1
    assert stored(kafka, topic) == 1


def test_a_record_that_can_never_be_stored_is_an_error(kafka: Broker, topic: Topic) -> None:
    with pytest.raises(PermanentError, match="can never be stored"):
        publish_stream(kafka, topic, [(0.0, b"x" * 2_000_000)])


def test_a_topic_that_does_not_exist_is_an_error(kafka: Broker, topic: Topic) -> None:
    nowhere = Topic(topic.stage, "no-such-topic", topic.message, topic.table)
    with pytest.raises(PermanentError, match="no-such-topic"):
        publish_stream(kafka, nowhere, [(0.0, tick) for tick in islice(endless_ticks(["AAPL"], 1, STARTED, 10), 3)])
