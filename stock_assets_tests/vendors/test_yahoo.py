"""Yahoo as a source: the real yfinance, against a fake Yahoo on loopback."""

import itertools
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
import tenacity.nap
import yfinance

from stock_assets.domain.errors import (
    NothingFetched,
    ServiceUnavailable,
    UnknownSymbol,
    UnsupportedExchange,
    UnusableAnswer,
    VendorThrottled,
)
from stock_assets.domain.messages import Action, Bar, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.sources import yahoo as source
from stock_assets.sources.fetched import Fetched
from stock_assets.sources.yahoo import fetch_history
from stock_assets.sources.yahoo_exchanges import check_zone
from stock_assets.sources.yahoo_failures import ATTEMPTS
from stock_assets.sources.yahoo_session import http_session
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo, Kind
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing, chart_with_split_of_nothing

FIRST, LAST = date(2021, 7, 1), date(2021, 8, 31)
DAYS = sessions_between(FIRST, LAST)
NOW = datetime(2025, 6, 30, 22, tzinfo=UTC)
FRESH = (f"F{number}" for number in itertools.count())


@dataclass
class Waits:
    """Delays between attempts, in seconds; none of them is waited for."""

    seconds: list[float] = field(default_factory=list)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    noted = Waits()
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=noted.seconds.append))
    return noted


@pytest.fixture
def symbol() -> str:
    """One that yfinance has not cached a time zone of."""
    return next(FRESH)


def bars(days: list[date], start: float = 100.0) -> list[DailyBar]:
    prices = [start + number * 0.25 for number in range(len(days))]
    return [
        DailyBar(day, price, price + 1.5, price - 1.25, price + 0.5, 40_000 + 400 * number)
        for number, (day, price) in enumerate(zip(days, prices, strict=True))
    ]


def ask(yahoo: FakeYahoo, symbol: str, first: date = FIRST, last: date = LAST, now: datetime = NOW) -> Fetched:
    return fetch_history(symbol, first, last, http_session(yahoo.proxy, str(yahoo.ca_bundle)), lambda: now)


def bars_of(fetched: Fetched) -> list[Bar]:
    return [message for message in fetched.messages if isinstance(message, Bar)]


def actions_of(fetched: Fetched) -> dict[tuple[str, date], float]:
    return {(m.kind, m.ex_date): m.value for m in fetched.messages if isinstance(m, Action)}


def as_daily(bar: Bar) -> DailyBar:
    return DailyBar(bar.trading_day, bar.open, bar.high, bar.low, bar.close, bar.volume)


def test_a_symbol_is_one_call_and_its_bars_are_the_vendors(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing(bars(DAYS), currency="EUR")
    fetched = ask(yahoo, symbol)
    assert [as_daily(bar) for bar in bars_of(fetched)] == yahoo.listings[symbol].bars
    assert fetched.messages == bars_of(fetched) and not fetched.refused
    first = bars_of(fetched)[0]
    assert first.start_time == instant(session(FIRST).open_time) and first.known_at == instant(NOW)
    assert (first.source, first.currency, first.interval, first.final) == ("yahoo", "EUR", "1d", True)
    (request,) = yahoo.asked_history()
    assert int(request.query["period1"]) <= session(FIRST).open_time.timestamp()
    assert int(request.query["period2"]) > session(LAST).close_time.timestamp() + 365 * 86400  # to now, for the splits


def test_sessions_after_the_asked_ones_are_left_out(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing(bars(DAYS))
    assert [bar.trading_day for bar in bars_of(ask(yahoo, symbol, DAYS[3], DAYS[5]))] == DAYS[3:6]


def test_prices_keep_yahoos_basis_and_the_splits_that_made_it_come_along(yahoo: FakeYahoo, symbol: str) -> None:
    """NVDA in 2021: bars are divided by the split of 2024 too, which lies far outside of the asked sessions."""
    inside, after = date(2021, 7, 20), date(2024, 6, 10)
    traded = bars([*DAYS, after], 750.0)
    yahoo.listings[symbol] = Listing(traded, splits={inside: 4.0, after: 10.0})
    fetched = ask(yahoo, symbol)
    assert actions_of(fetched) == {("split", inside): 4.0, ("split", after): 10.0}
    assert [bar.trading_day for bar in bars_of(fetched)] == DAYS
    assert {bar.price_basis for bar in bars_of(fetched)} == {"split_adjusted"}
    before = bars_of(fetched)[0]
    assert (before.close, before.volume) == (traded[0].close / 40, traded[0].volume * 40)  # type: ignore[operator]
    for bar, was in zip(bars_of(fetched), traded, strict=False):
        factor = 10.0 if bar.trading_day >= inside else 40.0
        assert bar.open * factor == pytest.approx(was.open) and bar.high * factor == pytest.approx(was.high)


def test_dividends_are_as_paid_whatever_was_split_later(yahoo: FakeYahoo, symbol: str) -> None:
    paid = {DAYS[2]: 0.16, DAYS[20]: 0.22, date(2023, 3, 7): 0.04}
    splits = {DAYS[10]: 4.0, date(2024, 6, 10): 10.0}
    yahoo.listings[symbol] = Listing(bars([*DAYS, date(2023, 3, 7), date(2024, 6, 10)]), splits, paid)
    found = {day: value for (kind, day), value in actions_of(ask(yahoo, symbol)).items() if kind == "dividend"}
    assert found == pytest.approx(paid)


@pytest.mark.parametrize(
    ("kind", "expected", "attempts"),
    [
        ("429", VendorThrottled, ATTEMPTS),
        ("500", ServiceUnavailable, ATTEMPTS),
        ("html", ServiceUnavailable, ATTEMPTS),
        ("garbage", ServiceUnavailable, ATTEMPTS),
        ("reset", ServiceUnavailable, ATTEMPTS),
        ("timeout", ServiceUnavailable, ATTEMPTS),
        ("empty", NothingFetched, 1),
    ],
)
def test_failures_are_told_apart_and_never_taken_as_data(
    yahoo: FakeYahoo,
    symbol: str,
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    expected: type[Exception],
    attempts: int,
) -> None:
    monkeypatch.setattr(source, "TIMEOUT_S", 0.2)
    yahoo.listings[symbol] = Listing(bars(DAYS))
    yahoo.fail(kind, history_only=True)
    with pytest.raises(expected, match=symbol):
        ask(yahoo, symbol)
    assert len(waits.seconds) == attempts - 1
    assert len(yahoo.asked_history()) >= attempts


@pytest.mark.parametrize("history_only", [False, True])
@pytest.mark.parametrize("kind", ["429", "500", "html", "garbage", "reset"])
def test_a_passing_fault_is_survived(
    yahoo: FakeYahoo, symbol: str, waits: Waits, kind: Kind, history_only: bool
) -> None:
    yahoo.listings[symbol] = Listing(bars(DAYS))
    yahoo.fail(kind, times=2, history_only=history_only)  # yfinance itself asks twice after a 4xx or 5xx
    assert len(bars_of(ask(yahoo, symbol))) == len(DAYS)
    assert waits.seconds


def test_an_unknown_symbol_is_not_asked_for_again_and_may_become_known(
    yahoo: FakeYahoo, symbol: str, waits: Waits
) -> None:
    for _ in range(3):  # yfinance takes another way to say so after the second time
        with pytest.raises(UnknownSymbol, match=symbol):
            ask(yahoo, symbol)
    assert not waits.seconds
    yahoo.listings[symbol] = Listing(bars(DAYS))
    assert len(bars_of(ask(yahoo, symbol))) == len(DAYS)


def test_a_symbol_that_was_delisted_since_is_unknown(yahoo: FakeYahoo, symbol: str) -> None:
    """Its time zone is cached by then, so only the answer to the history says so."""
    yfinance.cache.get_tz_cache().store(symbol, "America/New_York")
    with pytest.raises(UnknownSymbol, match="No data found, symbol may be delisted"):
        ask(yahoo, symbol)


def test_a_known_symbol_without_a_bar_in_the_range_is_nothing_fetched(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing(bars(DAYS))
    with pytest.raises(NothingFetched, match="Data doesn't exist for startDate"):
        ask(yahoo, symbol, date(2022, 1, 3), date(2022, 1, 31))
    yahoo.listings[symbol].bars += bars([date(2023, 3, 7)])
    with pytest.raises(NothingFetched, match=f"no daily bar of {symbol} from 2022-01-03 to 2022-01-31"):
        ask(yahoo, symbol, date(2022, 1, 3), date(2022, 1, 31))


def test_rows_that_cannot_be_a_bar_are_refused_by_name_and_the_others_kept(yahoo: FakeYahoo, symbol: str) -> None:
    given = bars([*DAYS[:8], date(2021, 7, 17)])  # a Saturday
    given[1] = DailyBar(DAYS[1], None, None, None, None, None)
    given[2] = replace(given[2], open=None)
    given[3] = replace(given[3], high=given[3].low)
    given[4] = replace(given[4], low=0.0)
    given[5] = replace(given[5], close=1e12, high=1e12)
    yahoo.listings[symbol] = Listing(sorted(given, key=lambda bar: bar.day))
    fetched = ask(yahoo, symbol)
    assert [bar.trading_day for bar in bars_of(fetched)] == [DAYS[0], DAYS[6], DAYS[7]]
    refused = {text.split(":")[0]: text for text in fetched.refused}
    assert sorted(refused) == [f"{symbol} {day}" for day in [*DAYS[1:6], date(2021, 7, 17)]]
    assert "nan, nan, nan, nan" in refused[f"{symbol} {DAYS[1]}"]
    assert "do not enclose" in refused[f"{symbol} {DAYS[3]}"]
    assert "no session" in refused[f"{symbol} 2021-07-17"]


def test_rows_of_which_none_can_be_taken_are_nothing_fetched(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing([DailyBar(day, None, None, None, None, None) for day in DAYS])
    with pytest.raises(NothingFetched, match="nan, nan, nan, nan"):
        ask(yahoo, symbol)


def test_a_bar_moves_until_its_session_is_over(yahoo: FakeYahoo, symbol: str) -> None:
    held = session(LAST)
    trading = held.close_time - timedelta(hours=2)
    yahoo.listings[symbol] = Listing(bars(DAYS), live_since=trading)
    live = bars_of(ask(yahoo, symbol, now=trading + timedelta(seconds=20)))
    assert [bar.final for bar in live] == [True] * (len(DAYS) - 1) + [False]
    assert live[-1].trading_day == LAST and live[-1].start_time == instant(held.open_time)
    just_closed = bars_of(ask(yahoo, symbol, now=held.close_time + timedelta(minutes=10)))
    assert not just_closed[-1].final
    assert bars_of(ask(yahoo, symbol, now=held.close_time + timedelta(hours=1)))[-1].final


def chart_error(code: str, description: str, part: str = "chart") -> dict[str, object]:
    return {part: {"result": None, "error": {"code": code, "description": description}}}


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (401, chart_error("Unauthorized", "Invalid Crumb"), ServiceUnavailable, "Invalid Crumb"),
        (401, chart_error("Unauthorized", "not this feature", "finance"), ServiceUnavailable, "not this feature"),
        (403, chart_error("Forbidden", "Access denied"), ServiceUnavailable, "Access denied"),
        (502, chart_error("Bad Gateway", "upstream"), ServiceUnavailable, "Bad Gateway: upstream"),
        (999, {}, ServiceUnavailable, "HTTP 999"),
        (500, chart_error("Internal Server Error", "Duplicate key 1", "finance"), UnusableAnswer, "Duplicate key 1"),
        (200, {"chart": {"result": None, "error": None}}, UnusableAnswer, "no data"),
        (200, {"chart": {"result": [], "error": None}}, UnusableAnswer, "no data"),
        (404, chart_error("Not Found", "No data found, symbol may be delisted"), UnknownSymbol, "does not know"),
    ],
)
def test_a_failed_service_an_unknown_symbol_and_an_unusable_answer_differ(
    yahoo: FakeYahoo, symbol: str, status: int, body: dict[str, object], expected: type[Exception], words: str
) -> None:
    yahoo.literal[symbol] = status, body
    with pytest.raises(expected, match=words):
        ask(yahoo, symbol)


def test_a_split_that_is_no_ratio_is_refused_by_name_and_the_rest_kept(yahoo: FakeYahoo, symbol: str) -> None:
    yahoo.listings[symbol] = Listing(bars(DAYS), dividends={DAYS[1]: 0.25})
    yahoo.literal[symbol] = chart_with_split_of_nothing(yahoo.listings[symbol], symbol, DAYS[5])
    fetched = ask(yahoo, symbol)
    assert fetched.refused == [f"{symbol} {DAYS[5]}: split of inf is no ratio"]
    assert actions_of(fetched) == {("dividend", DAYS[1]): 0.25}
    assert len(bars_of(fetched)) == len(DAYS)


@pytest.mark.parametrize(
    ("zone", "supported"),
    [
        ("America/New_York", True),
        ("America/Toronto", True),
        ("America/Chicago", True),
        ("UTC", False),
        ("Europe/London", False),
        ("Europe/Berlin", False),
        ("Asia/Tokyo", False),
        ("Australia/Sydney", False),
    ],
)
def test_an_exchange_whose_days_are_not_those_of_new_york_is_refused(zone: str, supported: bool) -> None:
    label = pd.Timestamp("2025-03-03 10:00", tz=zone)
    with (
        nullcontext()
        if supported
        else pytest.raises(UnsupportedExchange, match=f"dates 7203.T in the time zone {zone}")
    ):
        check_zone("7203.T", zone, label)
