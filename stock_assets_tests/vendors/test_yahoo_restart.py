"""Yahoo's stream over several processes: what passed between two of them comes from minute history."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.publishers.stream_position import Position, PositionFile
from stock_assets.publishers.yahoo_stream import YahooStream
from stock_assets.sources.yahoo_session import stoppable_session
from stock_assets_tests.fakes.fake_streamer import FakeStreamer, Plan, frame
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import Listing, MinuteBar
from stock_assets_tests.patience import Clock, idle, take
from stock_assets_tests.vendors.morning import after

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # yfinance's own use of websockets

Start = Callable[..., YahooStream]


@pytest.fixture
def clock() -> Clock:
    return Clock(after(6))


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> PositionFile:
    return PositionFile(tmp_path, "yahoo_stream", clock)


@pytest.fixture
def start(streamer: FakeStreamer, yahoo: FakeYahoo, clock: Clock, tmp_path: Path) -> Start:
    """Starts a process: a stream that knows only what was kept on disk."""
    yahoo.listings["GAP"] = Listing(
        [], minutes=[MinuteBar(after(n), 50.0, 51.0, 49.0, 50.5, 100) for n in range(-30, 60)], now=after(60)
    )

    def started(*plans: Plan, symbols: tuple[str, ...] = ("GAP",)) -> YahooStream:
        streamer.plans.extend(plans)
        return YahooStream(
            list(symbols),
            streamer.url,
            http_session=partial(stoppable_session, proxy=yahoo.proxy, ca_bundle=str(yahoo.ca_bundle)),
            silence=timedelta(days=1),  # the clock jumps
            now=clock,
            kept=PositionFile(tmp_path, "yahoo_stream", clock),
        )

    return started


def deliver(stream: YahooStream, ticks: int) -> None:
    """A process that delivers so many ticks, has them acknowledged, and dies."""
    arriving = stream(Event())
    assert len(take(arriving, ticks)) == ticks
    stream.settled(ended=False)
    arriving.close()  # type: ignore[attr-defined]


def seen(moment: datetime) -> Plan:
    return Plan([frame("GAP", moment, 50.0)])


def starts(bars: list[Bar]) -> list[datetime]:
    return [datetime.fromtimestamp(bar.start_time / 1e6, EXCHANGE_ZONE) for bar in bars]


def test_a_restart_in_the_middle_of_a_session_gives_the_minutes_between(start: Start, clock: Clock) -> None:
    deliver(start(seen(after(0.5))), 1)
    arriving = start(Plan([frame("GAP", after(0.5), 50.0), frame("GAP", after(5 + 1 / 6), 55.0)]))(Event())
    assert [tick.event_time for tick in take(arriving, 2)] == [instant(after(0.5)), instant(after(5 + 1 / 6))]
    clock.now = after(8)
    assert starts(take(arriving, 4)) == [after(1), after(2), after(3), after(4)]


def test_a_gap_that_one_process_did_not_fill_is_filled_by_the_next_one(
    start: Start, clock: Clock, kept: PositionFile
) -> None:
    deliver(start(seen(after(0.5))), 1)
    deliver(start(seen(after(5))), 1)
    assert [gap.symbol for gap in kept.read().gaps] == ["GAP"]
    clock.now = after(8)
    third = start()
    arriving = third(Event())
    assert starts(take(arriving, 2)) == [after(1), after(2)]
    third.settled(ended=False)
    assert len(kept.read().gaps) == 1  # not all of its bars were delivered
    assert starts(take(arriving, 2)) == [after(3), after(4)]
    idle(arriving, lambda: not third.gaps)
    third.settled(ended=True)
    assert kept.read() == Position({"GAP": instant(after(5))}, [])


def test_what_is_not_acknowledged_is_not_kept(start: Start, kept: PositionFile) -> None:
    first = start(Plan([frame("GAP", after(0.5), 50.0), frame("GAP", after(1.5), 50.0)]))
    arriving = first(Event())
    take(arriving, 1)
    first.settled(ended=False)
    take(arriving, 1)  # and the process dies
    assert kept.read().last == {"GAP": instant(after(0.5))}


def test_a_symbol_that_is_not_asked_for_any_more_is_forgotten(start: Start, clock: Clock) -> None:
    deliver(start(seen(after(0.5))), 1)
    deliver(start(seen(after(5))), 1)
    assert start().gaps and not start(symbols=("OTHER",)).gaps


@pytest.mark.parametrize("content", [b"", b'{"last": {"GAP"', b'{"last": {"GAP": "ten"}}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_said_and_everything_begins_anew(
    start: Start, kept: PositionFile, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    kept.path.parent.mkdir(parents=True)
    kept.path.write_bytes(content)
    deliver(start(seen(after(0.5))), 1)
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{kept.path} cannot be read" in said.getMessage() and "will not be filled" in said.getMessage()
    assert said.exc_info is None and kept.read().last == {"GAP": instant(after(0.5))}


def test_it_is_written_once_a_second_and_at_the_end(kept: PositionFile, clock: Clock) -> None:
    kept.write(Position({"GAP": 1}))
    clock.now += timedelta(seconds=0.9)
    kept.write(Position({"GAP": 2}))
    assert kept.read().last == {"GAP": 1}
    clock.now += timedelta(seconds=0.1)
    kept.write(Position({"GAP": 3}))
    assert kept.read().last == {"GAP": 3}
    kept.write(Position({"GAP": 4}), at_once=True)
    assert kept.read().last == {"GAP": 4}
    assert [file.name for file in kept.path.parent.iterdir()] == ["yahoo_stream.position"]


def test_a_gap_older_than_yahoos_minutes_is_said_and_the_newer_part_filled(
    start: Start, clock: Clock, yahoo: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(start(seen(after(0.5))), 1)
    clock.now = after(40 * 24 * 60)
    oldest, newest = clock.now - timedelta(days=28), clock.now - timedelta(minutes=30)
    yahoo.listings["GAP"].minutes = [MinuteBar(label, 5.0, 5.0, 5.0, 5.0, 9) for label in (oldest, newest)]
    yahoo.listings["GAP"].now = clock.now
    arriving = start(seen(clock.now - timedelta(minutes=3)))(Event())
    take(arriving, 1)
    assert starts(take(arriving, 2)) == [oldest, newest]
    assert "reach back about 30 days: what was before 2026-08-16 16:00 UTC cannot be filled" in caplog.text


def test_a_gap_that_is_wholly_too_old_is_given_up_and_said(
    start: Start, clock: Clock, yahoo: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(start(seen(after(0.5))), 1)
    deliver(start(seen(after(5))), 1)
    clock.now = after(40 * 24 * 60)
    stream = start()
    idle(stream(Event()), lambda: not stream.gaps)
    assert "what was before 2026-08-05 14:05 UTC cannot be filled" in caplog.text and not yahoo.asked_history()
