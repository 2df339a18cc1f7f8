"""Yahoo's minute history: the real yfinance, against a fake Yahoo on loopback."""

import csv
import itertools
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import tenacity.nap

from stock_assets.domain.errors import NothingFetched, ServiceUnavailable, UnknownSymbol, VendorThrottled
from stock_assets.domain.messages import Action, Bar, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, session, sessions_between
from stock_assets.sources.fetched import Fetched
from stock_assets.sources.yahoo_failures import ATTEMPTS
from stock_assets.sources.yahoo_minutes import MINUTE_GRACE, fetch_minutes
from stock_assets.sources.yahoo_session import http_session
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo, Kind
from stock_assets_tests.fakes.yahoo_answers import Listing, MinuteBar

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "eqker" / "AAPL_1min.csv"
DAY = date(2019, 2, 15)
OPENED, CLOSED = session(DAY).open_time, session(DAY).close_time
EVENING = datetime.combine(DAY, time(22), EXCHANGE_ZONE)
FRESH = (f"M{number}" for number in itertools.count())


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Delays between attempts, in seconds; none of them is waited for."""
    seconds: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def symbol() -> str:
    """One that yfinance has not cached a time zone of."""
    return next(FRESH)


def recorded() -> list[MinuteBar]:
    """Real minutes of five sessions, labelled by their START as Yahoo does (the file by their END)."""
    rows = []
    with RECORDED.open() as lines:
        for row in csv.DictReader(lines):
            label = datetime.fromisoformat(row["datetime"]).replace(tzinfo=EXCHANGE_ZONE) - timedelta(minutes=1)
            opened, high, low, close = (float(row[name]) for name in ("open", "high", "low", "close"))
            rows.append(MinuteBar(label, opened, high, low, close, int(row["volume"])))
    return rows[::-1]


def minute(label: datetime, price: float | None = 100.0, volume: int | None = 10) -> MinuteBar:
    return MinuteBar(label, price, price, price, price, volume)


def ask(
    yahoo: FakeYahoo, symbol: str, begin: datetime = OPENED, end: datetime = CLOSED, now: datetime = EVENING
) -> Fetched:
    yahoo.listings[symbol].now = now
    return fetch_minutes(symbol, begin, end, http_session(yahoo.proxy, str(yahoo.ca_bundle)), lambda: now)


def bars_of(fetched: Fetched) -> list[Bar]:
    return [message for message in fetched.messages if isinstance(message, Bar)]


def labels(fetched: Fetched) -> list[datetime]:
    return [datetime.fromtimestamp(bar.start_time / 1e6, EXCHANGE_ZONE) for bar in bars_of(fetched)]


def test_recorded_minutes_come_as_they_are(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing([], minutes=recorded(), currency="EUR")
    monday = session(date(2019, 2, 11)).pre_open_time
    fetched = ask(yahoo, symbol, monday, session(DAY).post_close_time)
    bars = bars_of(fetched)
    assert len(bars) == len(recorded()) and bars == fetched.messages and not fetched.refused
    assert sorted({bar.trading_day for bar in bars}) == sessions_between(date(2019, 2, 11), DAY)
    last = bars[-1]
    assert (last.open, last.high, last.low, last.close, last.volume) == (170.23, 170.42, 170.21, 170.38, 427888)
    assert last.start_time == instant(CLOSED - timedelta(minutes=1)) and last.known_at == instant(EVENING)
    assert (last.interval, last.source, last.currency, last.final) == ("1m", "yahoo", "EUR", True)
    assert len(yahoo.asked_history()) == 1


def test_minutes_of_the_asked_time_only(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing([], minutes=recorded())
    begin = OPENED + timedelta(hours=1)
    fetched = ask(yahoo, symbol, begin, begin + timedelta(minutes=3))
    assert labels(fetched) == [begin + timedelta(minutes=n) for n in range(3)]


def test_extended_hours_count_no_shares(yahoo: FakeYahoo, symbol: str) -> None:
    held = session(DAY)
    quiet = OPENED + timedelta(minutes=5)
    times = [held.pre_open_time, OPENED, quiet, CLOSED, held.post_close_time - timedelta(minutes=1)]
    volumes = [0, 500, 0, 0, 0]
    yahoo.listings[symbol] = Listing([], minutes=[minute(at, 100.0, n) for at, n in zip(times, volumes, strict=True)])
    fetched = ask(yahoo, symbol, held.pre_open_time, held.post_close_time)
    assert labels(fetched) == times
    assert [bar.volume for bar in bars_of(fetched)] == [None, 500, 0, None, None]


def test_the_minute_that_moves_is_not_final(yahoo: FakeYahoo, symbol: str) -> None:
    noon = OPENED + timedelta(hours=2)
    moving = noon + timedelta(minutes=3, seconds=37)
    rows = [*(minute(noon + timedelta(minutes=n)) for n in range(3)), minute(moving, 101.0, 0)]
    yahoo.listings[symbol] = Listing([], minutes=rows)
    fetched = ask(yahoo, symbol, now=noon + timedelta(minutes=1) + MINUTE_GRACE + timedelta(minutes=1))
    assert labels(fetched) == [noon + timedelta(minutes=n) for n in range(4)]
    assert [bar.final for bar in bars_of(fetched)] == [True, True, False, False]
    # A row labelled by its last trade never becomes the whole minute.
    assert [bar.final for bar in bars_of(ask(yahoo, symbol))] == [True, True, True, False]


def test_rows_that_cannot_be_a_bar_are_refused_by_name(yahoo: FakeYahoo, symbol: str) -> None:
    rows = [minute(OPENED + timedelta(minutes=n)) for n in range(6)]
    rows[1] = minute(rows[1].label, None, None)
    rows[2] = minute(rows[2].label, 0.0, 0)
    rows[3] = MinuteBar(rows[3].label, 100.0, 99.0, 98.0, 100.0, 10)
    night = datetime.combine(DAY, time(2), EXCHANGE_ZONE)
    saturday = OPENED + timedelta(days=1)
    yahoo.listings[symbol] = Listing([], minutes=[minute(night), *rows, minute(saturday)])
    fetched = ask(yahoo, symbol, night, saturday + timedelta(hours=1), saturday + timedelta(hours=9))
    assert labels(fetched) == [rows[n].label for n in (0, 4, 5)]
    reasons = dict(text.split(": ", 1) for text in fetched.refused)
    assert reasons[f"{symbol} 2019-02-15 09:31"] == "open, high, low, close are [nan, nan, nan, nan]"
    assert reasons[f"{symbol} 2019-02-15 09:32"] == "open, high, low, close are [0.0, 0.0, 0.0, 0.0]"
    assert "do not enclose" in reasons[f"{symbol} 2019-02-15 09:33"]
    assert reasons[f"{symbol} 2019-02-15 02:00"] == "the exchange is closed at that time"
    assert reasons[f"{symbol} 2019-02-16 09:30"] == "the exchange has no session that day"


def test_a_month_is_asked_for_in_weeks_until_now_with_its_actions(yahoo: FakeYahoo, symbol: str) -> None:
    """A dividend is as paid whatever was split in a later answer."""
    days = sessions_between(date(2019, 1, 17), DAY)
    rows = [minute(session(day).open_time) for day in days]
    listing = Listing([], {date(2019, 2, 13): 4.0}, {date(2019, 1, 22): 0.8}, minutes=rows)
    yahoo.listings[symbol] = listing
    fetched = ask(yahoo, symbol, session(days[0]).pre_open_time, session(date(2019, 2, 8)).post_close_time)
    assert [bar.trading_day for bar in bars_of(fetched)] == sessions_between(date(2019, 1, 17), date(2019, 2, 8))
    actions = {it.kind: (it.ex_date, it.value) for it in fetched.messages if isinstance(it, Action)}
    assert actions == {"split": (date(2019, 2, 13), 4.0), "dividend": (date(2019, 1, 22), 0.8)}
    periods = [(int(one.query["period1"]), int(one.query["period2"])) for one in yahoo.asked_history()]
    assert len(periods) == 5 and periods[-1][1] == int(EVENING.timestamp())
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(periods))


def test_what_yahoo_no_longer_has_is_nothing_fetched(yahoo: FakeYahoo, symbol: str, waits: list[float]) -> None:
    yahoo.listings[symbol] = Listing([], minutes=[])
    with pytest.raises(NothingFetched, match="without a single row"):
        ask(yahoo, symbol)
    long_ago = OPENED - timedelta(days=40)
    with pytest.raises(NothingFetched, match=f"no minute of {symbol} from 2019-01-06 09:30 to 2019-01-06 16:00"):
        ask(yahoo, symbol, long_ago, CLOSED - timedelta(days=40))
    with pytest.raises(UnknownSymbol):
        fetch_minutes("NOBODY", OPENED, CLOSED, http_session(yahoo.proxy, str(yahoo.ca_bundle)), lambda: EVENING)
    assert not waits


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("429", VendorThrottled),
        ("500", ServiceUnavailable),
        ("html", ServiceUnavailable),
        ("reset", ServiceUnavailable),
    ],
)
def test_failures_are_told_apart(
    yahoo: FakeYahoo, symbol: str, waits: list[float], kind: Kind, expected: type[Exception]
) -> None:
    yahoo.listings[symbol] = Listing([], minutes=recorded())
    yahoo.fail(kind, history_only=True)
    with pytest.raises(expected, match=symbol):
        ask(yahoo, symbol)
    assert len(waits) == ATTEMPTS - 1
    yahoo.recover()
    yahoo.fail(kind, times=2, history_only=True)
    assert len(bars_of(ask(yahoo, symbol))) == 390


def test_bars_say_what_they_are_from(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing([], {DAY: 2.0}, minutes=recorded(), now=EVENING)
    session_through = http_session(yahoo.proxy, str(yahoo.ca_bundle))
    fetched = fetch_minutes(
        symbol, OPENED, CLOSED, session_through, lambda: EVENING.astimezone(UTC), source="yahoo_gap"
    )
    assert {message.source for message in fetched.messages} == {"yahoo_gap"} and len(fetched.messages) == 391
