"""The publisher service: what happens between a source that fails, a broker that fails, and a stop."""

import json
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import BadRecord, PermanentError, ServiceUnavailable, VendorThrottled
from stock_assets.domain.messages import Message
from stock_assets.publishers.service import UNFLUSHED_LIMIT, Backoff
from stock_assets_tests.unit.publisher_bench import KEY, NOON, TICKS, Bench, Script, Step, tick


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_is_delivered_is_acknowledged_and_the_file_says_so(bench: Bench) -> None:
    done = bench.run(Script(bench.stop, [TICKS[0], None, bench.look, TICKS[1]]))
    assert bench.broker.stored == TICKS[:2] and done.acknowledged == Counter(ticks=2)
    (during,) = bench.seen
    assert (during.state, during.pid, during.name) == ("connected", os.getpid(), "vendor")
    after = bench.stated()
    assert (after.state, after.fetched, after.acknowledged, after.refused, after.reconnects) == ("stopped", 2, 2, 0, 0)
    assert after.last_message_at == NOON and after.last_error == ""
    assert json.loads(bench.health.path.read_text())["acknowledged"] == 2
    assert [path.name for path in bench.health.path.parent.iterdir()] == ["vendor.json"]


def test_an_idle_moment_flushes_and_so_does_each_second_of_a_busy_stream(bench: Bench) -> None:
    def pass_time() -> None:
        bench.clock.at += timedelta(seconds=0.6)

    bench.run(Script(bench.stop, [*TICKS[:2], None, TICKS[2], pass_time, TICKS[3], pass_time, TICKS[4], TICKS[5]]))
    assert bench.broker.flushes == [2, 3, 1] and bench.broker.stored == TICKS


def test_a_shower_is_flushed_before_too_much_of_it_is_kept(bench: Bench) -> None:
    bench.run(Script(bench.stop, [*TICKS[:1] * (UNFLUSHED_LIMIT + 5)]))
    assert bench.broker.flushes == [UNFLUSHED_LIMIT, 5]


def test_the_file_tells_of_progress_while_the_stream_is_busy(bench: Bench) -> None:
    def pass_time() -> None:
        bench.clock.at += timedelta(seconds=1)

    bench.run(Script(bench.stop, [TICKS[0], pass_time, TICKS[1], TICKS[2], bench.look]))
    assert (bench.seen[0].fetched, bench.seen[0].acknowledged) == (2, 2)


def test_a_bad_record_is_counted_with_its_reason_and_does_not_stop_the_service(bench: Bench) -> None:
    bench.run(Script(bench.stop, [TICKS[0], tick(7, price=-1.0), TICKS[1]]))
    assert bench.broker.stored == TICKS[:2]
    after = bench.stated()
    assert (after.fetched, after.acknowledged, after.refused) == (3, 2, 1)
    assert "out of range" in after.last_refusal and after.state == "stopped"


def test_a_connection_that_ends_or_fails_is_made_again_after_ever_longer_pauses(bench: Bench) -> None:
    down: list[Step] = [ServiceUnavailable("the vendor is down")]
    script = Script(bench.stop, [], down, down, down, [TICKS[0], *down], down, [TICKS[1]])
    bench.run(script, Backoff(first_s=1, longest_s=6, draw=lambda: 1.0))
    # 1, 2, 4 and 6 (8 is above the cap), then from the beginning after a delivery; no wait is longer than 5 s
    assert bench.stop.waits == [1, 2, 4, 5, 1, 1, 2]
    assert bench.broker.stored == TICKS[:2] and script.closed == script.count == 7
    after = bench.stated()
    assert (after.reconnects, after.failures, after.last_error) == (6, 0, "the vendor is down")


@given(failures=st.integers(1, 5000), draw=st.floats(0, 1))
def test_pauses_are_drawn_from_zero_to_a_doubling_cap(failures: int, draw: float) -> None:
    cap = min(60.0, 2.0 ** min(failures - 1, 60))
    assert Backoff(draw=lambda: draw).pause_s(failures) == pytest.approx(draw * cap)


def test_a_throttled_source_is_left_alone_until_the_named_instant(bench: Bench) -> None:
    bench.stop.during = bench.look
    until = NOON + timedelta(seconds=12)
    script = Script(bench.stop, [VendorThrottled("spent for today", until)], [TICKS[0]])
    bench.run(script)
    assert bench.stop.waits == [5, 5, 2] and bench.broker.stored == TICKS[:1]
    assert all((seen.state, seen.waiting_until, seen.failures) == ("waiting", until, 0) for seen in bench.seen)
    assert len({seen.updated_at for seen in bench.seen}) >= 2  # it goes on to give signs of life
    assert bench.seen[0].last_error == "spent for today"


@pytest.mark.parametrize("retry_at", [None, NOON, NOON - timedelta(hours=1)])
def test_throttling_without_a_future_instant_backs_off(bench: Bench, retry_at: datetime | None) -> None:
    throttled: list[Step] = [VendorThrottled("too much", retry_at)]
    bench.run(Script(bench.stop, throttled, throttled, [TICKS[0]]))
    assert bench.stop.waits == [1, 2]


def test_a_permanent_error_ends_the_service_with_its_sentence(bench: Bench) -> None:
    script = Script(bench.stop, [TICKS[0], PermanentError("the key is not taken")], [TICKS[1]])
    with pytest.raises(PermanentError, match="^the key is not taken$"):
        bench.run(script)
    after = bench.stated()
    assert (after.state, after.last_error, script.count) == ("failed", "the key is not taken", 1)


def test_a_defect_is_said_in_the_file_and_not_hidden(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError):
        bench.run(Script(bench.stop, [ZeroDivisionError("a defect")]))
    assert bench.stated().last_error == "ZeroDivisionError: a defect"


def test_a_stop_ends_a_long_wait_at_once_and_what_was_delivered_is_acknowledged(bench: Bench) -> None:
    bench.stop.during = bench.stop.set
    bench.run(Script(bench.stop, [TICKS[0], VendorThrottled("spent", NOON + timedelta(hours=9))], [TICKS[1]]))
    assert bench.stop.waits == [5] and bench.broker.stored == TICKS[:1]
    assert bench.stated().state == "stopped"


def test_a_stop_in_the_middle_of_a_connection_closes_it_and_flushes(bench: Bench) -> None:
    script = Script(bench.stop, [TICKS[0], bench.stop.set, TICKS[1], TICKS[2]])
    bench.run(script)
    assert bench.broker.stored == TICKS[:2] and script.closed == 1


def test_what_the_broker_did_not_acknowledge_is_sent_again_before_anything_newer(bench: Bench) -> None:
    down = ServiceUnavailable("no broker")
    bench.broker.faults = [down, down]
    script = Script(bench.stop, [TICKS[0], TICKS[1], None, TICKS[2]], [TICKS[3]])
    bench.run(script)
    assert bench.broker.stored == [TICKS[0], TICKS[1], TICKS[3]] and script.count == 2
    after = bench.stated()
    assert (after.fetched, after.acknowledged, after.reconnects, after.last_error) == (3, 3, 2, "no broker")


def test_a_message_that_could_not_even_be_handed_over_is_not_lost(bench: Bench) -> None:
    bench.broker.send_faults = [ServiceUnavailable("the queue is full")]
    bench.run(Script(bench.stop, [TICKS[0]], [TICKS[1]]))
    assert bench.broker.stored == TICKS[:2] and bench.stated().acknowledged == 2


def test_at_the_end_an_unacknowledged_message_is_a_failure_never_a_silent_loss(bench: Bench) -> None:
    bench.broker.faults = [ServiceUnavailable("no broker")] * 2
    with pytest.raises(ServiceUnavailable, match="no broker"):
        bench.run(Script(bench.stop, [TICKS[0]]))
    after = bench.stated()
    assert (after.state, after.fetched, after.acknowledged) == ("failed", 1, 0)


def test_a_failed_flush_at_the_end_is_tried_once_more_with_its_messages(bench: Bench) -> None:
    bench.broker.faults = [ServiceUnavailable("no broker")]
    bench.run(Script(bench.stop, [TICKS[0]]))
    assert bench.broker.stored == TICKS[:1] and bench.stated().acknowledged == 1


class Remembers(Script):
    """Notes what was delivered and what the broker had of it, each time it is told that it is settled."""

    def __init__(self, bench: Bench, *connections: list[Step]) -> None:
        super().__init__(bench.stop, *connections)
        self.bench = bench
        self.delivered = 0
        self.told: list[tuple[int, int, bool]] = []

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        for message in super().__call__(stop):
            self.delivered += message is not None
            yield message

    def settled(self, ended: bool) -> None:
        self.told.append((self.delivered, len(self.bench.broker.stored), ended))


def test_a_source_hears_that_all_is_settled_only_when_the_broker_has_it_all(bench: Bench) -> None:
    bench.broker.faults = [ServiceUnavailable("no broker")]
    source = Remembers(bench, [TICKS[0], TICKS[1], None, TICKS[2]], [TICKS[3], None])
    bench.run(source)
    assert all(delivered == stored for delivered, stored, _ in source.told)
    assert source.told[-1] == (3, 3, True) and [ended for *_, ended in source.told].count(True) == 1


def test_a_source_whose_last_messages_were_lost_never_hears_that_it_ended(bench: Bench) -> None:
    bench.broker.faults = [ServiceUnavailable("no broker")] * 2
    source = Remembers(bench, [TICKS[0]])
    with pytest.raises(ServiceUnavailable):
        bench.run(source)
    assert source.told == [(0, 0, False)]


def test_a_broker_that_refuses_for_good_ends_the_service(bench: Bench) -> None:
    bench.broker.faults = [PermanentError("the topic does not exist")]
    with pytest.raises(PermanentError, match="the topic does not exist"):
        bench.run(Script(bench.stop, [TICKS[0], None, TICKS[1]]))
    assert bench.stated().state == "failed"


SPILLS = [
    f"GET https://vendor/query?apikey={KEY}&symbol=A failed",
    "GET https://vendor/query?apikey=K3Y%2FWITH%2BSIGNS failed",
    f"We have detected your API key as {KEY} and",
    f"key {KEY.lower()}",
]


@pytest.mark.parametrize("spill", SPILLS)
@pytest.mark.parametrize("kind", [ServiceUnavailable, PermanentError, BadRecord, RuntimeError])
def test_a_key_reaches_neither_log_nor_file(
    bench: Bench, caplog: pytest.LogCaptureFixture, spill: str, kind: type[Exception]
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.broker.send_faults = [BadRecord(spill)]
    script = Script(bench.stop, [TICKS[0], kind(spill)], [TICKS[1]])
    if kind is ServiceUnavailable:
        bench.run(script)
    else:
        with pytest.raises(kind):
            bench.run(script)
    written = (caplog.text + bench.health.path.read_text()).upper()
    assert "***" in written and bench.stated().last_error and bench.stated().last_refusal
    assert KEY not in written and "K3Y%2FWITH%2BSIGNS" not in written
