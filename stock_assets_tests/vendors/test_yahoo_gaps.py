"""Yahoo's stream over several connections: what is missed between two comes from minute history."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from stock_assets.domain.eligibility import PARTIAL_SOURCES
from stock_assets.domain.errors import ServiceUnavailable, UnknownSymbol
from stock_assets.domain.messages import Action, Bar, Message, Tick, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.publishers import yahoo_gaps
from stock_assets.publishers.yahoo_gaps import GAP_SOURCE, RETRY_AFTER, Gap, GapFiller, gap_between
from stock_assets.publishers.yahoo_stream import YahooStream
from stock_assets.sources.yahoo_minutes import MINUTE_GRACE
from stock_assets.sources.yahoo_session import stoppable_session
from stock_assets_tests.fakes.fake_streamer import FakeStreamer, Plan, frame
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import Listing, MinuteBar
from stock_assets_tests.patience import Clock, idle, soon, take, wait_for
from stock_assets_tests.vendors.morning import TEN, after

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")  # yfinance's own use of websockets

HISTORY = [
    MinuteBar(TEN + timedelta(minutes=n), 50.0 + n, 51.0 + n, 49.0 + n, 50.5 + n, 100 + n) for n in range(-30, 60)
]


@pytest.fixture
def clock() -> Clock:
    return Clock(after(6))


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
def stream(streamer: FakeStreamer, yahoo: FakeYahoo, clock: Clock, refused: list[str]) -> YahooStream:
    yahoo.listings["GAP"] = Listing([], minutes=list(HISTORY), now=after(60))
    yahoo.listings["AAPL"] = Listing([], minutes=list(HISTORY), now=after(60))
    session = partial(stoppable_session, proxy=yahoo.proxy, ca_bundle=str(yahoo.ca_bundle))
    silence = timedelta(days=1)  # the clock jumps
    return YahooStream(["GAP"], streamer.url, http_session=session, silence=silence, refused=refused.append, now=clock)


def until_lost(stream: YahooStream) -> list[Message]:
    """What one connection brings until it is lost."""
    arrived: list[Message] = []
    with pytest.raises(ServiceUnavailable, match="ended"):
        for message in soon(stream(threading.Event())):
            if message is not None:
                arrived.append(message)
    return arrived


def lose_five_minutes(
    stream: YahooStream, streamer: FakeStreamer, *symbols: str, stop: threading.Event | None = None
) -> Iterator[Message | None]:
    """The connection after one that was lost at 10:00:30; it begins with what is known, then 10:05:10."""
    named = symbols or ("GAP",)
    streamer.plans += [
        Plan([frame(symbol, after(0.5), 50.0) for symbol in named], "cut"),
        Plan([frame(symbol, moment, 55.0) for moment in (after(0.5), after(5 + 1 / 6)) for symbol in named]),
    ]
    assert len(until_lost(stream)) == len(named)
    second = stream(stop or threading.Event())
    ticks = take(second, 2 * len(named))
    assert all(isinstance(tick, Tick) for tick in ticks)
    return second


def gap_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "yahoo-gap"]


def starts(messages: list[Message]) -> list[datetime]:
    assert all(isinstance(message, Bar) and message.source == GAP_SOURCE for message in messages)
    return [datetime.fromtimestamp(bar.start_time / 1e6, EXCHANGE_ZONE) for bar in messages if isinstance(bar, Bar)]


def test_whole_minutes_of_the_gap_come_from_history_once_they_are_final(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo
) -> None:
    second = lose_five_minutes(stream, streamer)
    assert [next(second) for _ in range(3)] == [None, None, None]  # 10:04 may still move
    assert not yahoo.asked_history()
    clock.now = after(5) + MINUTE_GRACE
    bars = take(second, 4)
    assert starts(bars) == [after(1), after(2), after(3), after(4)]
    assert all(bar.final and bar.interval == "1m" and bar.known_at == instant(clock.now) for bar in bars)
    assert [(bar.open, bar.volume) for bar in bars] == [(row.open, row.volume) for row in HISTORY[31:35]]
    assert next(second) is None and not stream.gaps
    assert len(yahoo.asked_history()) == 1


def test_each_symbol_has_a_gap_of_its_own(stream: YahooStream, streamer: FakeStreamer, clock: Clock) -> None:
    second = lose_five_minutes(stream, streamer, "GAP", "AAPL")
    clock.now = after(8)
    assert [bar.symbol for bar in take(second, 8)] == ["GAP"] * 4 + ["AAPL"] * 4


def test_ticks_go_on_while_history_is_slow(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo
) -> None:
    more = [frame("GAP", after(6 + n / 60), 56.0 + n) for n in range(3)]
    streamer.plans += [
        Plan([frame("GAP", after(0.5), 50.0)], "cut"),
        Plan([frame("GAP", after(5), 55.0), *more], paced=True),
    ]
    streamer.let()
    until_lost(stream)
    second = stream(threading.Event())
    assert len(take(second, 1)) == 1
    yahoo.fail("held", history_only=True)
    clock.now = after(8)
    idle(second, yahoo.asked_history)
    streamer.let(3)
    assert [tick.price for tick in take(second, 3)] == [56.0, 57.0, 58.0]
    assert len(stream.gaps) == 1 and gap_threads()
    yahoo.recover()
    yahoo.released.set()
    assert starts(take(second, 4)) == [after(1), after(2), after(3), after(4)]
    assert next(second) is None and not stream.gaps and not gap_threads()


def test_one_gap_is_asked_for_at_a_time(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo
) -> None:
    second = lose_five_minutes(stream, streamer, "GAP", "AAPL")
    yahoo.fail("held", 1, history_only=True)
    clock.now = after(8)
    idle(second, yahoo.asked_history)
    assert [next(second) for _ in range(5)] == [None] * 5
    assert len(yahoo.asked_history()) == 1 == len(gap_threads())
    yahoo.released.set()
    assert len(take(second, 8)) == 8 and len(yahoo.asked_history()) == 2


def test_a_stop_gives_up_the_history_that_does_not_come_and_keeps_the_gap(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    second = lose_five_minutes(stream, streamer, stop=stop)
    yahoo.fail("held", history_only=True)
    clock.now = after(8)
    idle(second, yahoo.asked_history)
    began = time.monotonic()
    stop.set()
    assert list(soon(second)) == []
    stream.settled(ended=True)
    assert time.monotonic() - began < 5 and not gap_threads()
    assert len(stream.gaps) == 1 and "ends before the gap of GAP" in caplog.text


def test_what_comes_of_a_request_that_was_given_up_is_no_answer(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def given_up(*_: object, **__: object) -> None:
        stop.wait(60)
        raise UnknownSymbol("yfinance takes a look-up that ended for a symbol that is not there")

    monkeypatch.setattr(yahoo_gaps, "fetch_minutes", given_up)
    filler = GapFiller(lambda _: None, lambda _: None, clock)
    filler.gaps.append(Gap("GAP", after(1), after(5), due=after(5)))
    assert list(filler.messages(stop)) == []
    stop.set()
    wait_for(lambda: not gap_threads())
    assert list(filler.messages(stop)) == [] and len(filler.gaps) == 1


def test_history_that_comes_while_the_stream_is_lost_is_taken_by_the_next_connection(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo
) -> None:
    second = lose_five_minutes(stream, streamer)
    yahoo.fail("held", history_only=True)
    clock.now = after(8)
    idle(second, yahoo.asked_history)
    second.close()  # type: ignore[attr-defined]
    yahoo.recover()
    yahoo.released.set()
    wait_for(lambda: not gap_threads())
    assert starts(take(stream(threading.Event()), 4))[0] == after(1) and len(yahoo.asked_history()) == 1


def test_a_defect_in_the_thread_is_not_hidden(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = lose_five_minutes(stream, streamer)
    monkeypatch.setattr(yahoo_gaps, "fetch_minutes", lambda *_, **__: 1 / 0)
    clock.now = after(8)
    with pytest.raises(ZeroDivisionError):
        take(second, 1)


def test_a_throttled_gap_waits_while_ticks_go_on(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    yahoo.fail("429", history_only=True)
    second = lose_five_minutes(stream, streamer)
    clock.now = after(8)
    idle(second, lambda: "stays for now" in caplog.text)
    assert "stays for now: Yahoo refuses GAP: too many requests (HTTP 429)" in caplog.text
    asked = len(yahoo.asked_history())
    assert asked == 2 and len(stream.gaps) == 1  # yfinance itself asks twice after a 429
    assert [next(second) for _ in range(4)] == [None] * 4 and len(yahoo.asked_history()) == asked
    second.close()  # type: ignore[attr-defined]
    yahoo.recover()
    clock.now += RETRY_AFTER
    streamer.plans += [Plan([frame("GAP", after(5.2), 56.0)])]
    third = stream(threading.Event())
    arrived = take(third, 5)
    assert sorted(type(message).__name__ for message in arrived) == ["Bar"] * 4 + ["Tick"]


def test_a_gap_that_history_does_not_hold_is_given_up_and_said(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    yahoo.listings["GAP"].minutes.clear()
    second = lose_five_minutes(stream, streamer)
    clock.now = after(8)
    idle(second, lambda: not stream.gaps)
    assert "cannot be filled: Yahoo has no minute of GAP" in caplog.text and not stream.gaps


def test_minutes_without_prices_are_refused_by_name(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo, refused: list[str]
) -> None:
    yahoo.listings["GAP"].minutes[32] = MinuteBar(after(2), None, None, None, None, None)
    yahoo.listings["GAP"].minutes[40] = MinuteBar(after(10), None, None, None, None, None)  # outside of the gap
    second = lose_five_minutes(stream, streamer)
    clock.now = after(8)
    assert starts(take(second, 3)) == [after(1), after(3), after(4)]
    assert refused == ["GAP 2026-08-05 10:02: open, high, low, close are [nan, nan, nan, nan]"]


def test_a_gap_left_open_is_said_at_the_end(
    stream: YahooStream, streamer: FakeStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    streamer.plans += [Plan([frame("GAP", after(0.5), 50.0)], "cut"), Plan([frame("GAP", after(5), 55.0)])]
    until_lost(stream)
    second = stream(stop)
    take(second, 1)
    stop.set()
    assert take(second, 1) == []
    stream.settled(ended=True)
    assert "ends before the gap of GAP from 2026-08-05 14:01 to 2026-08-05 14:05 UTC is filled" in caplog.text


def test_a_gap_over_night_knows_the_split_of_the_morning(
    stream: YahooStream, streamer: FakeStreamer, clock: Clock, yahoo: FakeYahoo
) -> None:
    evening, morning = after(9 * 60 + 57.5), after(18 * 60 + 2.5)  # 19:57:30 and 04:02:30
    listing = yahoo.listings["GAP"]
    labels = [after(9 * 60 + 58), after(9 * 60 + 59), after(18 * 60), after(18 * 60 + 1), after(23.5 * 60)]
    listing.minutes = [MinuteBar(label, 5.0, 5.0, 5.0, 5.0, 0) for label in labels]
    listing.splits = {morning.date(): 10.0, after(0).date(): 2.0}
    listing.now = clock.now = after(24 * 60)
    streamer.plans += [Plan([frame("GAP", evening, 50.0)], "cut"), Plan([frame("GAP", morning, 5.0)])]
    until_lost(stream)
    messages = take(stream(threading.Event()), 6)[1:]
    (split,) = [message for message in messages if isinstance(message, Action)]
    assert (split.ex_date, split.value, split.source) == (morning.date(), 10.0, GAP_SOURCE)
    bars = [message for message in messages if isinstance(message, Bar)]
    assert starts(list(bars)) == labels[:4]
    assert {bar.volume for bar in bars} == {None} and {bar.price_basis for bar in bars} == {"split_adjusted"}


@pytest.mark.parametrize(
    ("last", "following", "whole"),
    [
        (after(0.5), after(1.9), None),  # 10:01 is not over
        (after(0.5), after(2), (after(1), after(2))),
        (after(0), after(1), (after(0), after(1))),
        (after(0.5), after(0.9), None),
        (after(10 * 60), after(18 * 60), None),  # 20:00 to 04:00
        (after(9 * 60 + 59), after(18 * 60), (after(9 * 60 + 59), after(18 * 60))),
        (after(3 * 24 * 60), after(4 * 24 * 60), None),  # a week-end
    ],
)
def test_a_gap_has_whole_minutes_of_a_session(
    last: datetime, following: datetime, whole: tuple[datetime, datetime] | None
) -> None:
    gap = gap_between("GAP", instant(last), instant(following))
    assert (gap and (gap.first, gap.after)) == (whole and tuple(moment.astimezone(UTC) for moment in whole))


def test_no_daily_bar_is_made_of_pieces() -> None:
    assert GAP_SOURCE in PARTIAL_SOURCES
