"""Alpha Vantage's minute bars in the service: each session once, after it is over, and not what the lake has."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from stock_assets.domain.errors import VendorThrottled
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.publishers.catch_up import closes_session
from stock_assets.settings.vendors import VendorSettings
from stock_assets_tests.fakes.fake_alpha_vantage import recorded_messages, row
from stock_assets_tests.vendors.alpha_vantage_desk import (
    CLOCKS,
    DAYS,
    OPENED,
    OVER,
    SETTLED,
    SYMBOLS,
    TODAY,
    Desk,
    desk_of_an_evening,
    ended,
    minute_rows,
)
from stock_assets_tests.vendors.alpha_vantage_vendor import Vendor, recorded, running_vendor

MINUTES = "TIME_SERIES_INTRADAY"


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    with running_vendor(tmp_path) as running:
        yield running


@pytest.fixture
def desk(vendor: Vendor) -> Desk:
    return desk_of_an_evening(vendor)


def known(day: date) -> dict[str, date]:
    return dict.fromkeys(SYMBOLS, day)


def asked_minutes(desk: Desk) -> list[str]:
    return [symbol for function, symbol in desk.asked() if function == MINUTES]


def test_each_session_is_asked_for_once_when_its_extended_hours_are_over(desk: Desk) -> None:
    desk.clock.at = OVER - timedelta(minutes=5)
    polling = desk.polling(minutes=known(DAYS[-2]))
    assert ended(desk, polling, 4) == [] and asked_minutes(desk) == []
    bars = ended(desk, polling, 3)
    assert sorted(asked_minutes(desk)) == SYMBOLS
    assert {(bar.interval, bar.trading_day, bar.final) for bar in bars} == {("1m", TODAY, True)}
    assert len(bars) == 2 * len(CLOCKS)
    assert ended(desk, polling, 60 * 3) == [] and len(asked_minutes(desk)) == 2


def test_what_the_lake_has_is_not_asked_for_and_an_outage_is_made_up_for_by_month(desk: Desk) -> None:
    bars = ended(desk, desk.polling(minutes={"AAPL": TODAY, "MSFT": DAYS[-8]}))
    assert {bar.symbol for bar in bars} == {"MSFT"}
    assert sorted({bar.trading_day for bar in bars}) == DAYS[-7:]
    assert [request["month"] for request in desk.fake.requests] == ["2021-02", "2021-03"]


def test_a_symbol_without_minutes_begins_with_the_newest_session(desk: Desk) -> None:
    bars = ended(desk, desk.polling(minutes={}))
    assert {bar.trading_day for bar in bars} == {TODAY} and sorted(asked_minutes(desk)) == SYMBOLS


def test_without_the_setting_no_minute_is_asked_for(desk: Desk) -> None:
    assert ended(desk, desk.polling()) == [] and desk.asked() == []
    assert not VendorSettings.of({}).alpha_vantage.minutes
    assert VendorSettings.of({"ALPHA_VANTAGE_MINUTES": "true"}).alpha_vantage.minutes


def test_daily_bars_come_first(desk: Desk) -> None:
    desk.newest = dict.fromkeys(SYMBOLS, DAYS[-2])
    for symbol in SYMBOLS:
        desk.fake.daily[symbol] = {str(TODAY): row(100, 102, 99, 101, 5)}
    ended(desk, desk.polling(minutes=known(DAYS[-2])))
    assert [function for function, _ in desk.asked()] == ["TIME_SERIES_DAILY"] * 2 + [MINUTES] * 2


def test_minutes_leave_the_requests_of_todays_daily_bars(desk: Desk) -> None:
    desk.clock.at = OPENED - timedelta(hours=1)
    desk.newest = dict.fromkeys(SYMBOLS, DAYS[-2])
    desk.client.budget.per_day = 3
    ended(desk, desk.polling(minutes=known(DAYS[-3])), 30)
    assert len(asked_minutes(desk)) == 1 == len(desk.fake.requests)


def test_quotes_leave_the_requests_of_the_minutes(desk: Desk) -> None:
    desk.clock.at = SETTLED - timedelta(minutes=20)
    desk.newest = dict.fromkeys(SYMBOLS, DAYS[-2])
    desk.client.budget.per_day = 5
    ended(desk, desk.polling(minutes=known(DAYS[-2])), 19)
    assert len(desk.fake.requests) == 1  # two daily bars and two answers of minutes are still to come


def test_a_spent_budget_is_waited_for(desk: Desk) -> None:
    desk.client.budget.per_day = 1
    polling = desk.polling(minutes=known(DAYS[-2]))
    with pytest.raises(VendorThrottled) as refused:
        ended(desk, polling)
    desk.clock.at = refused.value.retry_at or OVER
    assert len(ended(desk, polling)) == len(CLOCKS) and sorted(asked_minutes(desk)) == SYMBOLS


@recorded
def test_a_plan_without_minutes_is_said_once_and_everything_else_goes_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.clock.at = OPENED
    desk.newest = dict.fromkeys(SYMBOLS, DAYS[-2])
    desk.client.budget.per_day = 0
    desk.fake.fail(recorded_messages()["premium_endpoint"])
    caplog.set_level(logging.WARNING)
    polling = desk.polling(minutes=known(DAYS[-3]))
    assert {bar.trading_day for bar in ended(desk, polling)} == {TODAY}  # quotes
    assert len(asked_minutes(desk)) == 1
    (said,) = [text for text in caplog.messages if "paying customers" in text]
    assert "set ALPHA_VANTAGE_MINUTES=false" in said and desk.refused == [said]


def test_a_session_the_vendor_does_not_have_yet_is_asked_for_again_but_not_at_once(desk: Desk) -> None:
    desk.fake.minutes = {symbol: minute_rows(*DAYS[:-1]) for symbol in SYMBOLS}
    polling = desk.polling(minutes=known(DAYS[-2]))
    assert ended(desk, polling, 60) == [] and len(asked_minutes(desk)) == 2
    desk.fake.minutes["AAPL"] = minute_rows(TODAY)
    assert {bar.symbol for bar in ended(desk, polling, 90)} == {"AAPL"}
    assert len(asked_minutes(desk)) == 4


def test_a_symbol_that_has_no_minutes_keeps_its_daily_bars(desk: Desk) -> None:
    del desk.fake.minutes["AAPL"]
    polling = desk.polling(minutes=known(DAYS[-2]))
    assert {bar.symbol for bar in ended(desk, polling)} == {"MSFT"}
    assert "does not know AAPL" in desk.refused[0]
    desk.newest["AAPL"] = DAYS[-2]
    desk.fake.daily["AAPL"] = {str(TODAY): row(100, 102, 99, 101, 5)}
    assert [bar.symbol for bar in ended(desk, desk.polling(minutes=known(TODAY)))] == ["AAPL"]


def test_the_quarter_hour_before_the_close_ends_a_session_half_days_too() -> None:
    half = date(2020, 11, 27)
    for clock, expected in (("12:44", False), ("12:45", True), ("12:59", True), ("13:00", False), ("15:59", False)):
        moment = datetime.fromisoformat(f"{half} {clock}").replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC)
        assert closes_session(half, moment) is expected
