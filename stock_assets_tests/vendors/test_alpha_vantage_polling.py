"""Alpha Vantage as a service: what its few requests are spent on, against a fake on loopback."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest

from stock_assets.domain.errors import InvalidKey, PermanentError, VendorThrottled
from stock_assets.domain.messages import Bar
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.publishers import alpha_vantage as service
from stock_assets.sources.alpha_vantage_client import AlphaVantageClient
from stock_assets_tests.fakes.fake_alpha_vantage import quote, row
from stock_assets_tests.vendors.alpha_vantage_desk import DAYS, OPENED, SETTLED, SYMBOLS, TODAY, Desk
from stock_assets_tests.vendors.alpha_vantage_vendor import Vendor, running_vendor


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    with running_vendor(tmp_path) as running:
        yield running


def test_missing_sessions_are_fetched_once_on_start_and_nothing_that_is_known(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED - timedelta(hours=1))
    desk.newest = {"AAPL": DAYS[-4], "MSFT": None}
    bars = desk.until(OPENED - timedelta(minutes=50))
    found = {symbol: [bar.trading_day for bar in bars if bar.symbol == symbol] for symbol in SYMBOLS}
    assert found == {"AAPL": DAYS[-3:-1], "MSFT": DAYS[:-1]} and all(bar.final for bar in bars)
    # the one furthest behind goes first
    assert desk.asked() == [("TIME_SERIES_DAILY", "MSFT"), ("TIME_SERIES_DAILY", "AAPL")]


def test_a_connection_made_again_remembers_what_it_delivered(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED - timedelta(hours=2))
    desk.newest = dict.fromkeys(SYMBOLS)
    polling = desk.polling()
    assert len(desk.until(OPENED - timedelta(hours=1, minutes=59), polling)) == 2 * len(DAYS[:-1])
    desk.stop.clear()
    assert desk.until(OPENED - timedelta(hours=1), polling) == [] and len(desk.fake.requests) == 2


def test_quotes_are_spread_over_the_session_and_the_final_bars_are_still_paid_for(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_EVERY_S", 10.0)
    desk = Desk(vendor, OPENED - timedelta(minutes=5))
    prices = count(1000)
    asked_at: list[datetime] = []

    def trade() -> None:
        for symbol in SYMBOLS:
            desk.fake.bodies["GLOBAL_QUOTE", symbol] = quote(symbol, str(TODAY), float(next(prices)), 7)
            if desk.clock.at >= SETTLED:
                rows = {str(TODAY): row(100, 102, 99, 101, 5), **desk.fake.daily[symbol]}
                desk.fake.daily[symbol] = rows
        asked_at.extend([desk.clock.at] * (len(desk.fake.requests) - len(asked_at)))
        if desk.clock.at >= SETTLED + timedelta(minutes=5):
            desk.stop.set()

    desk.stop.during = trade
    bars = [message for message in desk.polling()(desk.stop) if isinstance(message, Bar)]
    quotes = [bar for bar in bars if not bar.final]
    assert len(quotes) == 23 and {bar.trading_day for bar in bars} == {TODAY}
    assert [bar.symbol for bar in quotes[:4]] == ["AAPL", "MSFT", "AAPL", "MSFT"]
    assert sorted(bar.symbol for bar in bars if bar.final) == SYMBOLS and len(desk.fake.requests) == 25
    between = [later - earlier for earlier, later in pairwise(asked_at[:23])]
    assert min(between) > timedelta(minutes=15) and max(between) < timedelta(minutes=25)


def test_without_a_limit_each_symbol_is_quoted_as_often_as_set(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED)
    desk.client.budget.per_day = 0
    desk.until(OPENED + timedelta(minutes=10))
    assert desk.asked() == [("GLOBAL_QUOTE", symbol) for _ in range(10) for symbol in SYMBOLS]


def test_a_quote_that_says_nothing_new_or_is_of_an_older_session_is_not_delivered(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED)
    desk.client.budget.per_day = 0
    desk.fake.bodies["GLOBAL_QUOTE", "MSFT"] = quote("MSFT", str(DAYS[-2]), 230.0, 7)
    bars = desk.until(OPENED + timedelta(minutes=5))
    assert [(bar.symbol, bar.trading_day) for bar in bars] == [("AAPL", TODAY)]
    assert len(desk.fake.requests) == 10


@pytest.mark.parametrize(
    "at", [OPENED - timedelta(minutes=30), SETTLED + timedelta(hours=3), datetime(2021, 3, 6, 17, tzinfo=UTC)]
)
def test_no_quote_is_asked_for_while_the_exchange_does_not_trade(vendor: Vendor, at: datetime) -> None:
    desk = Desk(vendor, at)
    desk.newest = dict.fromkeys(SYMBOLS, TODAY)
    assert desk.until(at + timedelta(minutes=10)) == [] and desk.asked() == []


def test_a_bar_the_vendor_does_not_have_yet_is_asked_for_again_but_not_at_once(vendor: Vendor) -> None:
    desk = Desk(vendor, SETTLED)
    assert desk.until(SETTLED + timedelta(hours=1)) == [] and len(desk.fake.requests) == 2
    assert "no daily bar of AAPL from 2021-03-05" in desk.refused[0]
    desk.stop.clear()
    desk.clock.at = SETTLED
    polling = desk.polling()
    desk.until(SETTLED + timedelta(hours=1), polling)
    desk.fake.daily["AAPL"] = {str(TODAY): row(100, 102, 99, 101, 5)}
    desk.stop.clear()
    assert [bar.symbol for bar in desk.until(SETTLED + timedelta(hours=3), polling)] == ["AAPL"]


def test_more_symbols_than_requests_take_turns_over_the_days(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED - timedelta(hours=1))
    desk.client.budget.per_day = 1
    desk.newest = dict.fromkeys(SYMBOLS)
    polling = desk.polling()
    midnight = datetime(2021, 3, 6, tzinfo=EXCHANGE_ZONE)
    with pytest.raises(VendorThrottled) as refused:
        desk.until(midnight, polling)
    assert refused.value.retry_at == midnight and desk.asked() == [("TIME_SERIES_DAILY", "AAPL")]
    desk.clock.at = midnight
    with pytest.raises(VendorThrottled):
        desk.until(midnight + timedelta(days=1), polling)
    assert desk.asked()[1:] == [("TIME_SERIES_DAILY", "MSFT")]


def test_an_unknown_symbol_is_named_and_left_out_and_the_others_go_on(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED)
    desk.newest["NOPE"] = None
    bars = desk.until(OPENED + timedelta(minutes=1), desk.polling(["NOPE", *SYMBOLS]))
    assert {bar.symbol for bar in bars} <= {*SYMBOLS} and desk.asked().count(("TIME_SERIES_DAILY", "NOPE")) == 1
    assert "does not know NOPE" in desk.refused[0]
    desk.stop.clear()
    desk.newest["GONE"] = DAYS[-2]
    with pytest.raises(PermanentError, match="none of the symbols"):
        desk.until(OPENED + timedelta(minutes=5), desk.polling(["GONE"]))


def test_a_row_that_cannot_be_taken_is_named_and_costs_nothing_else(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED - timedelta(hours=1))
    desk.newest["AAPL"] = DAYS[-4]
    desk.fake.daily["AAPL"] = {**desk.fake.daily["AAPL"], str(DAYS[-3]): row(1, 0.5, 1, 1, 1)}
    assert [bar.trading_day for bar in desk.until(OPENED - timedelta(minutes=59))] == [DAYS[-2]]
    assert len(desk.refused) == 1 and str(DAYS[-3]) in desk.refused[0]


def test_it_pauses_before_each_request_so_that_what_came_before_is_acknowledged(vendor: Vendor) -> None:
    desk = Desk(vendor, OPENED)
    desk.newest = dict.fromkeys(SYMBOLS, DAYS[-3])
    arriving, before = desk.polling()(desk.stop), 0
    for message in arriving:
        if len(desk.fake.requests) > before:
            assert message is not None
            before = len(desk.fake.requests)
            assert next(arriving) is None  # one bar each, then a pause before the next request
        if before == 3:
            break
    assert desk.asked()[:2] == [("TIME_SERIES_DAILY", "AAPL"), ("TIME_SERIES_DAILY", "MSFT")]


def test_without_a_key_there_is_no_service(vendor: Vendor) -> None:
    with pytest.raises(InvalidKey):
        AlphaVantageClient(replace(vendor.client.settings, key=""), vendor.client.budget, threading.Event())
