"""Yahoo's stream as a source: yfinance's real client, against a fake streamer on loopback."""

import itertools
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any

import pytest
import yfinance

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.domain.messages import Tick, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, session
from stock_assets.sources import yahoo_stream as source
from stock_assets.sources.yahoo_stream import StreamConnection, StreamCounts
from stock_assets_tests.fakes.fake_streamer import FakeStreamer, Plan, frame, recorded
from stock_assets_tests.patience import Clock, take, wait_for
from stock_assets_tests.pipeline.oracle import daily_bars_from_ticks, minute_bars_from_ticks
from stock_assets_tests.vendors.tick_rows import tick_row

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # yfinance's own use of websockets

DAY = date(2026, 8, 5)
OPENED = session(DAY).open_time
NOON = datetime(2026, 8, 5, 12, tzinfo=EXCHANGE_ZONE)
PRICES = [100.0, 100.25, 100.5, 100.75, 101.0]
FRAMES = [frame("AAPL", NOON + timedelta(seconds=n), price, 1000 + 10 * n) for n, price in enumerate(PRICES)]


@dataclass
class Opened:
    """A connection under test and what it said of frames it did not take."""

    connection: StreamConnection
    clock: Clock
    refused: list[str] = field(default_factory=list)
    stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.ticks = self.connection.ticks(self.stop)

    def take(self, count: int) -> list[Tick]:
        return take(self.ticks, count)


@pytest.fixture
def opening(streamer: FakeStreamer) -> Iterator[Callable[..., Opened]]:
    opened: list[Opened] = []

    def connect(*plans: Plan, symbols: list[str] | None = None, url: str = "", **options: Any) -> Opened:
        streamer.plans.extend(plans)
        clock, refused = Clock(NOON), list[str]()
        connection = StreamConnection(
            symbols or ["AAPL"], url or streamer.url, refused=refused.append, now=clock, **options
        )
        opened.append(Opened(connection, clock, refused))
        return opened[-1]

    yield connect
    for one in opened:
        one.connection.close()


def prices(ticks: list[Tick]) -> list[float]:
    return [tick.price for tick in ticks]


def test_recorded_frames_become_ticks(opening: Callable[..., Opened], streamer: FakeStreamer) -> None:
    opened = opening(Plan(recorded()), symbols=["MSFT", "AAPL", "BTC-USD", "TSLA"])
    ticks = opened.take(13)
    assert streamer.subscriptions == [["AAPL", "BTC-USD", "MSFT", "TSLA"]]
    assert prices(ticks)[:4] == [339.5, 307.2, 314.76, 314.79]
    assert ticks[-1].price == 407.48  # 407.4805 with a hint of 2
    assert [(tick.conditions or [""])[0] for tick in ticks[:2]] == ["post", "regular"]
    assert [tick.conditions for tick in ticks[5:7]] == [["pre"], ["overnight"]]
    assert [tick.day_volume for tick in ticks[:3]] == [None, 5422202, 17557274]
    assert [tick.day_volume for tick in ticks[5:7]] == [None, None]
    assert (ticks[1].currency, ticks[1].exchange) == ("USD", "NMS")
    assert ticks[1].event_time == instant(datetime(2026, 8, 5, 13, 43, 15, tzinfo=UTC))
    assert {tick.size for tick in ticks} == {None}  # one of them has a last_size
    assert {tick.source for tick in ticks} == {"yahoo_stream"}
    ids = [tick.event_id for tick in ticks]
    assert len(set(ids)) == 13 and ids == sorted(ids)
    assert opened.connection.counts == StreamCounts(frames=13, refused=2)
    assert all("BTC-USD at the exchange CCC" in reason for reason in opened.refused)


def test_volume_that_is_not_said_is_unknown_and_before_the_open_would_be_yesterdays(
    opening: Callable[..., Opened],
) -> None:
    early = frame("AAPL", OPENED - timedelta(hours=1), 100.0, 40_000_000, hours=0)
    before, unsaid = opening(Plan([early, frame("AAPL", NOON, 100.0)])).take(2)
    assert before.day_volume is None and before.conditions == ["pre"]
    assert unsaid.day_volume is None and unsaid.conditions == ["regular"]


@pytest.mark.parametrize("then", ["close", "cut"])
def test_a_lost_connection_is_said_after_its_last_frame(opening: Callable[..., Opened], then: Any) -> None:
    opened = opening(Plan(FRAMES, then))
    assert prices(opened.take(5)) == PRICES
    with pytest.raises(ServiceUnavailable, match="Yahoo's stream ended: ConnectionClosed"):
        opened.take(1)


def test_a_client_that_returns_without_a_word_has_lost_its_connection(
    opening: Callable[..., Opened], streamer: FakeStreamer
) -> None:
    opened = opening(Plan(FRAMES[:2], "close", paced=True))
    yfinance.config.debug.hide_exceptions = True  # its default
    streamer.let(2)
    assert prices(opened.take(2)) == PRICES[:2]
    with pytest.raises(ServiceUnavailable, match="Yahoo's stream ended: the client stopped listening"):
        opened.take(1)


def test_frames_that_cannot_be_read_are_named_and_the_connection_goes_on(
    opening: Callable[..., Opened], streamer: FakeStreamer
) -> None:
    garbage = [
        "<html></html>",
        "[]",
        json.dumps({"type": "pricing", "message": "not-base64!!"}),
        json.dumps({"type": "pricing", "message": "//////8="}),
        json.dumps({"type": "pricing", "message": 7}),
        json.dumps({"type": "heartbeat"}),
        frame("AAPL", NOON, -1.0),
        frame("AAPL", NOON, 5.0, hours=9),
        frame("AAPL", datetime.fromtimestamp(0, UTC), 5.0),
        frame("VOD.L", NOON, 5.0, exchange="LSE"),
        frame("AAPL", NOON, 5.0, currency="GBp "),
        frame("7203.T", NOON, 5.0, exchange="JPX", currency="JPY"),
    ]
    mixed = list(itertools.chain.from_iterable(zip(garbage, itertools.cycle(FRAMES), strict=False)))
    opened = opening(Plan(mixed))
    assert len(opened.take(len(garbage))) == len(garbage) == len(opened.refused)
    assert streamer.connections == 1
    assert opened.connection.counts == StreamCounts(frames=len(garbage), refused=len(garbage))
    said = ["JSONDecodeError", "AttributeError", "Error", "DecodeError", "TypeError", "price None", "price", "hours 9"]
    for reason, expected in zip(
        opened.refused, [*said, "no time", "no currency", "currency", "7203.T at the exchange JPX"], strict=True
    ):
        assert expected in reason


def test_a_server_that_sends_nothing_readable_is_no_stream(opening: Callable[..., Opened]) -> None:
    opened = opening(Plan(["garbage"] * 53))
    with pytest.raises(ServiceUnavailable, match="50 frames in a row are not readable"):
        opened.take(1)
    assert len(opened.refused) == source.GARBAGE_LIMIT


def test_some_garbage_between_frames_never_ends_a_connection(opening: Callable[..., Opened]) -> None:
    opened = opening(Plan([FRAMES[0], *["garbage"] * 49, FRAMES[1], *["garbage"] * 49, FRAMES[2]]))
    assert prices(opened.take(3)) == PRICES[:3]


def test_silence_while_the_exchange_is_open_is_a_dead_connection(
    opening: Callable[..., Opened], streamer: FakeStreamer
) -> None:
    opened = opening(Plan(FRAMES, paced=True))
    for price in PRICES:
        opened.clock.now += timedelta(seconds=30)
        streamer.let()
        assert prices(opened.take(1)) == [price]
    opened.clock.now += timedelta(seconds=59)
    assert next(opened.ticks) is None
    opened.clock.now += timedelta(seconds=1)
    with pytest.raises(ServiceUnavailable, match="silent for 60 s"):
        opened.take(1)


@pytest.mark.parametrize(
    "now",
    [
        OPENED - timedelta(seconds=1),
        OPENED + timedelta(seconds=59),  # the silence of the night does not count
        session(DAY).close_time,
        datetime(2026, 8, 8, 12, tzinfo=EXCHANGE_ZONE),  # a Saturday
        datetime(2026, 12, 25, 12, tzinfo=EXCHANGE_ZONE),
    ],
)
def test_silence_outside_of_a_session_is_legitimate(opening: Callable[..., Opened], now: datetime) -> None:
    opened = opening()
    opened.connection._heard = OPENED - timedelta(days=1)
    opened.clock.now = now
    assert list(itertools.islice(opened.ticks, 3)) == [None, None, None]


def test_the_subscription_is_renewed(opening: Callable[..., Opened], streamer: FakeStreamer) -> None:
    opened = opening()
    assert list(itertools.islice(opened.ticks, 3)) == [None, None, None]
    opened.clock.now += source.RENEW_EVERY
    assert next(opened.ticks) is None
    wait_for(lambda: len(streamer.subscriptions) == 2)
    assert streamer.subscriptions == [["AAPL"], ["AAPL"]]


def test_a_full_queue_is_counted_and_said_and_loses_nothing(
    opening: Callable[..., Opened], caplog: pytest.LogCaptureFixture
) -> None:
    many = [frame("AAPL", NOON + timedelta(seconds=n), 1.0 + n, 10 * n) for n in range(200)]
    opened = opening(Plan(many), queue_limit=3)
    wait_for(lambda: "faster than its consumer" in caplog.text)
    assert opened.connection.counts.waited > 0
    assert prices(opened.take(200)) == [1.0 + n for n in range(200)]


def test_closing_ends_a_thread_that_waits_for_the_consumer(opening: Callable[..., Opened]) -> None:
    opened = opening(Plan(FRAMES * 20), queue_limit=1)
    wait_for(lambda: opened.connection.counts.waited > 0)
    opened.connection.close()
    assert not opened.connection._thread.is_alive()


def test_stop_ends_it(opening: Callable[..., Opened]) -> None:
    opened = opening(Plan(FRAMES))
    assert len(opened.take(2)) == 2
    opened.stop.set()
    assert opened.take(1) == []


def test_the_connections_events_differ_though_the_frames_are_the_same(opening: Callable[..., Opened]) -> None:
    first = opening(Plan([FRAMES[0], FRAMES[0]])).take(2)
    again = opening(Plan([FRAMES[0]]))
    again.connection._opened += timedelta(microseconds=1)
    assert len({tick.event_id for tick in [*first, *again.take(1)]}) == 3


def test_duplicates_and_disorder_change_no_bar(opening: Callable[..., Opened]) -> None:
    """Frames of a day: extended hours without volume, the auction of the close after the bell; volume by differences."""
    closed = session(DAY).close_time
    day = [
        frame("AAPL", OPENED - timedelta(minutes=5), 99.0, hours=0),
        frame("AAPL", OPENED, 100.0, 1_000),
        frame("AAPL", OPENED + timedelta(seconds=2), 120.0, hours=0),  # of the pre market, whatever the clock says
        frame("AAPL", OPENED + timedelta(seconds=20), 103.0, 1_500),
        frame("AAPL", OPENED + timedelta(seconds=20), 102.0, 1_400),
        frame("AAPL", OPENED + timedelta(seconds=80), 98.0, 2_500),
        frame("AAPL", closed - timedelta(seconds=1), 101.0, 5_000),
        frame("AAPL", closed + timedelta(seconds=1), 101.5, 9_000),
        frame("AAPL", closed + timedelta(seconds=1), 97.0, hours=2),
        frame("AAPL", closed + timedelta(hours=1), 110.0, hours=2),
    ]
    shuffled = [*day, *day[2:6]]
    random.Random(7).shuffle(shuffled)
    ticks = opening(Plan(shuffled)).take(len(shuffled))
    (daily,) = daily_bars_from_ticks(map(tick_row, ticks))
    assert {name: float(daily[name]) for name in ("open", "high", "low", "close")} == {
        "open": 100.0,
        "high": 103.0,
        "low": 98.0,
        "close": 101.5,
    }
    assert daily["volume"] == 8_000 and daily["final"]
    minutes = {bar["start_time"]: bar["volume"] for bar in minute_bars_from_ticks(map(tick_row, ticks))}
    opened_at, closed_at = OPENED.astimezone(UTC), closed.astimezone(UTC)
    assert minutes == {
        opened_at - timedelta(minutes=5): None,
        opened_at: 500,
        opened_at + timedelta(minutes=1): 1_000,
        closed_at - timedelta(minutes=1): 2_500,
        closed_at: 4_000,
        closed_at + timedelta(hours=1): None,
    }


def test_recorded_frames_give_the_growth_of_the_days_volume(opening: Callable[..., Opened]) -> None:
    ticks = opening(Plan(recorded()), symbols=["MSFT"]).take(13)
    by_day = {(bar["symbol"], bar["trading_day"]): bar for bar in daily_bars_from_ticks(map(tick_row, ticks))}
    msft = by_day["MSFT", date(2020, 5, 15)]
    assert msft["volume"] == 11_021_582 - 10_460_764
    assert (float(msft["open"]), float(msft["low"]), float(msft["close"])) == (177.42, 177.27, 177.29)
    assert by_day["AAPL", date(2020, 5, 18)]["volume"] == 17_557_426 - 17_557_274
