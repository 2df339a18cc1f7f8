"""Yahoo's quotes: the real yfinance, against a fake Yahoo on loopback."""

import itertools
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from yfinance.data import YfData

from stock_assets.domain.errors import ServiceUnavailable, UnknownSymbol, VendorThrottled, WrongSetting
from stock_assets.domain.messages import Message, Tick, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, session
from stock_assets.publishers import yahoo_quotes as publisher
from stock_assets.publishers.yahoo_quotes import YahooQuotes
from stock_assets.sources import yahoo_quotes as source
from stock_assets.sources.yahoo_quotes import Quotes, ask_quotes
from stock_assets.sources.yahoo_session import http_session
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo, Kind
from stock_assets_tests.fakes.yahoo_answers import Listing
from stock_assets_tests.patience import Clock, take
from stock_assets_tests.pipeline.oracle import daily_bars_from_ticks
from stock_assets_tests.vendors.tick_rows import tick_row

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "yfinance_rs" / "quote_v7_AAPL-MSFT.json"
DAY = date(2025, 10, 29)
OPENED, CLOSED = session(DAY).open_time, session(DAY).close_time
NOON = datetime(2025, 10, 29, 12, tzinfo=EXCHANGE_ZONE)


def recorded() -> dict[str, dict[str, Any]]:
    """Quotes of AAPL and MSFT, after the post market of the day."""
    return {quote["symbol"]: quote for quote in json.loads(RECORDED.read_text())["quoteResponse"]["result"]}


def live(moment: datetime, price: float, volume: int, state: str = "REGULAR") -> dict[str, Any]:
    """A quote of AAPL in regular hours."""
    quote = {name: value for name, value in recorded()["AAPL"].items() if not name.startswith("post")}
    stamp = int(moment.timestamp())
    changed = {"regularMarketTime": stamp, "regularMarketPrice": price, "regularMarketVolume": volume}
    return {**quote, **changed, "marketState": state}


@pytest.fixture(autouse=True)
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_MOMENT_S", 0.0)


@pytest.fixture
def quoted(yahoo: FakeYahoo) -> FakeYahoo:
    yahoo.listings |= {symbol: Listing([], quote=quote) for symbol, quote in recorded().items()}
    return yahoo


def ask(yahoo: FakeYahoo, *symbols: str) -> Quotes:
    return ask_quotes([*symbols], http_session(yahoo.proxy, str(yahoo.ca_bundle)), lambda: NOON)


def connect(yahoo: FakeYahoo, clock: Clock, *symbols: str, refused: list[str] | None = None) -> YahooQuotes:
    session_through = http_session(yahoo.proxy, str(yahoo.ca_bundle))
    said: list[str] = [] if refused is None else refused
    return YahooQuotes([*symbols], http=session_through, refused=said.append, now=clock)


def round_of(arriving: Iterator[Message | None]) -> list[Tick]:
    """What comes until nothing comes for a moment."""
    ticks = list(itertools.takewhile(lambda message: message is not None, arriving))
    return [tick for tick in ticks if isinstance(tick, Tick)]


def test_a_recorded_answer_for_all_symbols_is_one_request(quoted: FakeYahoo) -> None:
    answered = ask(quoted, "AAPL", "MSFT")
    assert len(quoted.asked_quotes()) == 1 and not answered.refused
    regular, post, *of_msft = answered.ticks
    assert regular == Tick(
        symbol="AAPL",
        event_time=1761768001 * 1_000_000,  # a second after the bell: the auction of the close
        price=269.7,
        currency="USD",
        source="yahoo_quotes",
        event_id=f"{instant(NOON)}/000000",
        day_volume=43332154,
        exchange="NMS",
        conditions=["regular"],
    )
    assert (post.price, post.day_volume, post.conditions) == (270.75, None, ["post"])
    assert post.event_time == 1761782396 * 1_000_000
    assert [(tick.symbol, tick.price) for tick in of_msft] == [("MSFT", 541.55), ("MSFT", 520.0)]
    assert len({tick.event_id for tick in answered.ticks}) == 4


def test_bid_and_ask_are_of_the_market_that_trades(quoted: FakeYahoo) -> None:
    assert {(tick.bid, tick.ask) for tick in ask(quoted, "AAPL").ticks} == {(None, None)}
    quoted.listings["AAPL"].quote = live(NOON, 269.12345, 1000) | {"bid": 269.12, "ask": 0.0}
    (tick,) = ask(quoted, "AAPL").ticks
    assert (tick.price, tick.bid, tick.ask) == (269.12, 269.12, None)


def test_many_symbols_are_asked_in_hundreds(quoted: FakeYahoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PER_REQUEST", 1)
    answered = ask(quoted, "AAPL", "MSFT")
    assert [request.query["symbols"] for request in quoted.asked_quotes()] == ["AAPL", "MSFT"]
    assert len({tick.event_id for tick in answered.ticks}) == 4


def test_what_cannot_be_taken_is_named(quoted: FakeYahoo) -> None:
    quoted.listings["MSFT"].quote = recorded()["MSFT"] | {"regularMarketPrice": None, "postMarketTime": "soon"}
    answered = ask(quoted, "NOBODY", "MSFT", "AAPL")
    assert [tick.symbol for tick in answered.ticks] == ["AAPL", "AAPL"]
    unknown, regular, post = answered.refused
    assert unknown == "Yahoo knows no quote of NOBODY"
    assert "MSFT, regular: out of range" in regular and "MSFT, post: invalid literal" in post


def test_an_exchange_with_other_days_is_refused_by_name_and_toronto_is_not(quoted: FakeYahoo) -> None:
    tokyo = {"symbol": "MSFT", "exchangeTimezoneName": "Asia/Tokyo", "exchange": "JPX", "currency": "JPY"}
    toronto = {"exchangeTimezoneName": "America/Toronto", "exchange": "TOR", "currency": "CAD"}
    quoted.listings["MSFT"].quote = live(NOON, 2800.0, 1000) | tokyo
    quoted.listings["AAPL"].quote = live(NOON, 160.0, 1000) | toronto
    answered = ask(quoted, "MSFT", "AAPL")
    assert [(tick.symbol, tick.currency) for tick in answered.ticks] == [("AAPL", "CAD")]
    (refused,) = answered.refused
    assert "time zone Asia/Tokyo" in refused


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("429", VendorThrottled),
        ("500", ServiceUnavailable),
        ("html", ServiceUnavailable),
        ("garbage", ServiceUnavailable),
        ("reset", ServiceUnavailable),
        ("timeout", ServiceUnavailable),
    ],
)
def test_failures_are_told_apart(
    quoted: FakeYahoo, monkeypatch: pytest.MonkeyPatch, kind: Kind, expected: type[Exception]
) -> None:
    monkeypatch.setattr(source, "TIMEOUT_S", 0.2)
    connected = connect(quoted, Clock(NOON), "AAPL", "MSFT")
    quoted.fail(kind)
    with pytest.raises(expected, match="AAPL, MSFT"):
        take(connected(Event()), 1)
    quoted.recover()
    assert len(take(connected(Event()), 4)) == 4


def test_a_crumb_that_is_no_longer_taken_is_replaced(quoted: FakeYahoo) -> None:
    ask(quoted, "AAPL")
    YfData()._crumb = "outdated"
    assert len(ask(quoted, "AAPL").ticks) == 2


def test_only_news_is_passed_on_every_fifteen_seconds(quoted: FakeYahoo) -> None:
    clock = Clock(NOON)
    aapl = quoted.listings["AAPL"]
    aapl.quote = live(NOON, 269.0, 1000)
    arriving = connect(quoted, clock, "AAPL")(Event())
    assert [tick.price for tick in round_of(arriving)] == [269.0]
    clock.now += timedelta(seconds=14)
    assert round_of(arriving) == [] and len(quoted.asked_quotes()) == 1
    clock.now += timedelta(seconds=1)
    assert round_of(arriving) == [] and len(quoted.asked_quotes()) == 2
    changes = [(0, 269.5, 1000), (0, 269.5, 1100), (20, 269.5, 1100)]
    for number, (seconds, price, volume) in enumerate(changes):
        aapl.quote = live(NOON + timedelta(seconds=seconds), price, volume)
        clock.now += timedelta(seconds=15)
        assert [(tick.price, tick.day_volume) for tick in round_of(arriving)] == [(price, volume)]
        assert len(quoted.asked_quotes()) == 3 + number


def test_a_new_connection_does_not_repeat_what_is_known(quoted: FakeYahoo) -> None:
    connected = connect(quoted, Clock(NOON), "AAPL")
    assert len(round_of(connected(Event()))) == 2
    assert round_of(connected(Event())) == [] and len(quoted.asked_quotes()) == 2


@pytest.mark.parametrize(
    ("now", "asks"),
    [
        (datetime(2025, 10, 25, 12, tzinfo=EXCHANGE_ZONE), False),  # a Saturday
        (datetime(2025, 10, 29, 3, 59, tzinfo=EXCHANGE_ZONE), False),
        (datetime(2025, 10, 29, 4, 0, tzinfo=EXCHANGE_ZONE), True),
        (datetime(2025, 10, 29, 20, 14, tzinfo=EXCHANGE_ZONE), True),
        (datetime(2025, 10, 29, 20, 15, tzinfo=EXCHANGE_ZONE), False),
    ],
)
def test_nothing_is_asked_while_nothing_trades(quoted: FakeYahoo, now: datetime, asks: bool) -> None:
    clock = Clock(now - timedelta(hours=1))
    arriving = connect(quoted, clock, "AAPL")(Event())
    assert len(round_of(arriving)) == 2  # at first always: a fault shows at once
    clock.now = now
    assert round_of(arriving) == []
    assert len(quoted.asked_quotes()) == 1 + asks


def test_unknown_symbols_are_said_once_and_all_of_them_end_it(
    quoted: FakeYahoo, caplog: pytest.LogCaptureFixture
) -> None:
    clock, refused = Clock(NOON), list[str]()
    arriving = connect(quoted, clock, "AAPL", "NOBODY", refused=refused)(Event())
    for _ in range(3):
        round_of(arriving)
        clock.now += timedelta(seconds=15)
    assert refused == ["Yahoo knows no quote of NOBODY"] and caplog.text.count("NOBODY") == 1
    quoted.fail("empty")
    with pytest.raises(ServiceUnavailable, match="no quotes any more"):
        round_of(arriving)
    with pytest.raises(UnknownSymbol, match="no quote of NOBODY"):
        round_of(connect(quoted, clock, "NOBODY")(Event()))
    with pytest.raises(WrongSetting, match="more than 0"):
        YahooQuotes(["AAPL"], 0, http=http_session())


def test_stop_ends_it(quoted: FakeYahoo) -> None:
    stop = Event()
    arriving = connect(quoted, Clock(NOON), "AAPL")(stop)
    assert len(take(arriving, 2)) == 2
    stop.set()
    assert [message for message in arriving if message] == []


def test_quotes_of_a_day_give_its_bar_with_the_auction_of_the_close(quoted: FakeYahoo) -> None:
    clock = Clock(NOON)
    arriving = connect(quoted, clock, "AAPL")(Event())
    ticks: list[Tick] = []
    states = [
        live(OPENED - timedelta(days=1), 260.0, 90_000_000, "PRE")
        | {"preMarketTime": int(OPENED.timestamp()) - 900, "preMarketPrice": 250.0},
        live(OPENED + timedelta(seconds=5), 265.0, 100_000),
        live(NOON, 271.0, 20_000_000),
        live(CLOSED - timedelta(seconds=9), 268.0, 38_000_000),
        recorded()["AAPL"],
    ]
    for state in states:
        quoted.listings["AAPL"].quote = state
        ticks += round_of(arriving)
        clock.now += timedelta(seconds=15)
    bars = {bar["trading_day"]: bar for bar in daily_bars_from_ticks(map(tick_row, ticks))}
    bar = bars[DAY]
    assert [float(bar[name]) for name in ("open", "high", "low", "close")] == [265.0, 271.0, 265.0, 269.7]
    assert bar["volume"] == 43332154 - 100_000 and bar["final"]
