"""Alpha Vantage's bars: the real HTTP client, against a fake on loopback that serves recorded answers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stock_assets.domain.errors import BadRecord, NothingFetched, UnknownSymbol, WrongSetting
from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, session, sessions_between
from stock_assets.sources.alpha_vantage import fetch_daily, fetch_minutes, fetch_quote
from stock_assets_tests.fakes.fake_alpha_vantage import (
    Row,
    intraday,
    quote,
    recorded_daily,
    recorded_extended_minutes,
    recorded_intraday,
    recorded_minutes,
    recorded_quote,
    row,
)
from stock_assets_tests.vendors.alpha_vantage_vendor import KEY, NOW, Vendor, bars_of, recorded, running_vendor

WEEK = (date(2019, 2, 11), date(2019, 2, 15))


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    with running_vendor(tmp_path) as running:
        yield running


def daily_rows(days: list[date]) -> dict[str, Row]:
    return {str(day): row(100 + n, 102 + n, 99 + n, 101 + n, 1000 + n) for n, day in reversed(list(enumerate(days)))}


def local(bar: Bar) -> datetime:
    return datetime.fromtimestamp(bar.start_time / 1e6, EXCHANGE_ZONE)


@recorded
def test_daily_bars_are_the_recorded_literals_as_traded(vendor: Vendor) -> None:
    vendor.fake.daily["AAPL"] = recorded_daily("AAPL")
    client = vendor.with_settings(full_history=True)
    fetched = fetch_daily(client, "AAPL", date(2018, 1, 2), date(2019, 2, 15))
    bars = bars_of(fetched)
    assert len(bars) == 283 and not fetched.refused
    newest = bars[-1]
    assert (newest.open, newest.high, newest.low, newest.close) == (171.25, 171.7, 169.75, 170.42)
    assert (newest.volume, newest.price_basis, newest.currency) == (24626814, "as_traded", "USD")
    assert (newest.source, newest.interval, newest.final) == ("alpha_vantage", "1d", True)
    assert newest.start_time == instant(session(date(2019, 2, 15)).open_time) and newest.known_at == instant(NOW)
    (asked,) = vendor.fake.requests
    assert (asked["function"], asked["outputsize"], asked["apikey"]) == ("TIME_SERIES_DAILY", "full", KEY)


def test_only_the_asked_sessions_are_taken_and_compact_history_is_asked_for(vendor: Vendor) -> None:
    days = sessions_between(date(2021, 1, 4), date(2021, 2, 26))
    vendor.fake.daily["AAPL"] = daily_rows(days)
    fetched = fetch_daily(vendor.client, "AAPL", days[3], days[5])
    assert [bar.trading_day for bar in bars_of(fetched)] == days[3:6]
    assert vendor.fake.asked("outputsize") == ["compact"]
    with pytest.raises(NothingFetched, match="no daily bar of AAPL from 2020-01-02 to 2020-01-31"):
        fetch_daily(vendor.client, "AAPL", date(2020, 1, 2), date(2020, 1, 31))


def test_history_that_is_cut_short_is_said(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    days = sessions_between(date(2020, 6, 1), date(2021, 2, 26))
    vendor.fake.daily["AAPL"] = daily_rows(days)
    assert len(fetch_daily(vendor.client, "AAPL", days[-100], days[-1]).messages) == 100
    assert not caplog.messages
    assert len(fetch_daily(vendor.client, "AAPL", days[0], days[-1]).messages) == 100
    assert f"begins on {days[-100]}, not on {days[0]}" in caplog.text


def test_rows_that_cannot_be_a_bar_are_refused_by_name_and_the_others_kept(vendor: Vendor) -> None:
    days = sessions_between(date(2021, 2, 1), date(2021, 2, 12))
    rows: dict[str, Any] = daily_rows([*days, date(2021, 2, 13)])  # a Saturday
    rows[str(days[1])] = row(float("nan"), 1, 1, 1, 1)
    rows[str(days[2])] = row(100, 90, 90, 100, 1)
    rows[str(days[3])] = {"1. open": "100"}
    rows[str(days[4])] = row(100, 101, 99, 100, -1)
    rows[str(days[5])] = {**row(100, 101, 99, 100, 1), "5. volume": "many"}
    rows[str(days[6])] = "none"
    rows["soon"] = row(100, 101, 99, 100, 1)
    vendor.fake.daily["AAPL"] = rows
    fetched = fetch_daily(vendor.client, "AAPL", days[0], date(2021, 2, 13))
    assert [bar.trading_day for bar in bars_of(fetched)] == [days[0], *days[7:]]
    refused = {text.split(":")[0].removeprefix("AAPL "): text for text in fetched.refused}
    assert sorted(refused) == sorted([*map(str, days[1:7]), "2021-02-13", "soon"])
    assert "do not enclose" in refused[str(days[2])] and "it has no '2. high'" in refused[str(days[3])]
    assert "no session" in refused["2021-02-13"]


def test_a_daily_bar_moves_until_its_session_is_over(vendor: Vendor) -> None:
    days = sessions_between(date(2021, 3, 1), date(2021, 3, 5))
    vendor.fake.daily["AAPL"] = daily_rows(days)
    assert [bar.final for bar in bars_of(fetch_daily(vendor.client, "AAPL", days[0], days[-1]))] == [True] * 4 + [False]
    later = replace(vendor.client, now=lambda: session(days[-1]).close_time + timedelta(minutes=20))
    assert all(bar.final for bar in bars_of(fetch_daily(later, "AAPL", days[0], days[-1])))


@recorded
def test_a_quote_is_a_provisional_daily_bar_never_a_tick(vendor: Vendor) -> None:
    vendor.fake.bodies["GLOBAL_QUOTE", "MSFT"] = recorded_quote()
    (bar,) = bars_of(fetch_quote(vendor.client, "MSFT"))
    assert (bar.trading_day, bar.interval, bar.final) == (date(2018, 10, 5), "1d", False)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (112.63, 113.17, 110.64, 112.13, 29062853)
    assert bar.start_time == instant(session(bar.trading_day).open_time)


def test_a_delayed_quote_is_taken_though_its_name_goes_on(vendor: Vendor) -> None:
    body = quote("MSFT", "2021-03-05", 230.0, 5)
    vendor.fake.bodies["GLOBAL_QUOTE", "MSFT"] = {"Global Quote - DATA DELAYED BY 15 MINUTES": body["Global Quote"]}
    assert [bar.close for bar in bars_of(fetch_quote(vendor.client, "MSFT"))] == [230.0]


@recorded
@pytest.mark.parametrize("symbol", ["AAPL", "AMZN", "BAC", "JPM", "MSFT", "QQQ", "SBUX", "SPY", "TSLA", "V"])
def test_minutes_start_where_the_session_does_and_a_wrong_setting_is_found_out(vendor: Vendor, symbol: str) -> None:
    vendor.fake.minutes[symbol] = recorded_minutes(symbol)
    bars = bars_of(fetch_minutes(vendor.with_settings(bar_labels="end"), symbol, *WEEK))
    assert {f"{local(bar):%H:%M}" for bar in bars} >= {"09:30", "15:59"}
    assert {bar.interval for bar in bars} == {"1m"} and all(bar.final for bar in bars)
    with pytest.raises(WrongSetting, match=r"is start, but .* stands at 09:31 in [45] of [45] .*_LABELS=end"):
        fetch_minutes(vendor.with_settings(bar_labels="start"), symbol, *WEEK)
    assert {request["adjusted"] for request in vendor.fake.requests} == {"false"}
    assert vendor.fake.asked("month") == ["2019-02", "2019-02"]


@recorded
@pytest.mark.parametrize("symbol", ["AAPL", "V"])
def test_minutes_labelled_by_their_start_are_told_from_the_same_data_moved(vendor: Vendor, symbol: str) -> None:
    moved = {
        str(datetime.fromisoformat(label) - timedelta(minutes=1)): row
        for label, row in recorded_minutes(symbol).items()
    }
    vendor.fake.minutes[symbol] = moved
    bars = bars_of(fetch_minutes(vendor.with_settings(bar_labels="start"), symbol, *WEEK))
    assert min(local(bar) for bar in bars) == datetime(2019, 2, 11, 9, 30, tzinfo=EXCHANGE_ZONE)
    with pytest.raises(WrongSetting, match=r"is end, but .* stands at 09:30 .*_LABELS=start"):
        fetch_minutes(vendor.with_settings(bar_labels="end"), symbol, *WEEK)


@recorded
def test_extended_hours_and_a_half_day_over_two_months(vendor: Vendor) -> None:
    vendor.fake.minutes["MSFT"] = recorded_extended_minutes()
    client = vendor.with_settings(bar_labels="end")
    fetched = fetch_minutes(client, "MSFT", date(2020, 11, 27), date(2020, 12, 1))
    bars = bars_of(fetched)
    assert vendor.fake.asked("month") == ["2020-11", "2020-12"] and not fetched.refused
    assert sorted({bar.trading_day for bar in bars}) == [date(2020, 11, 27), date(2020, 11, 30), date(2020, 12, 1)]
    assert f"{local(bars[0]):%m-%d %H:%M}" == "11-27 04:00"
    opening = next(bar for bar in bars if bar.start_time == instant(session(date(2020, 11, 27)).open_time))
    assert opening.volume == 610382
    with pytest.raises(WrongSetting, match="in 19 of 19 sessions"):
        fetch_minutes(vendor.with_settings(bar_labels="start"), "MSFT", date(2020, 11, 27), date(2020, 12, 1))


@recorded
def test_a_recorded_answer_of_an_afternoon_says_nothing_about_labels(vendor: Vendor) -> None:
    vendor.fake.bodies["TIME_SERIES_INTRADAY", "MSFT"] = recorded_intraday()
    for labels, first in (("start", "13:17"), ("end", "13:16")):
        client = vendor.with_settings(bar_labels=labels)
        bars = bars_of(fetch_minutes(client, "MSFT", date(2017, 12, 18), date(2017, 12, 18)))
        assert len(bars) == 100 and f"{local(bars[0]):%H:%M}" == first


def test_minutes_move_until_a_while_after_they_are_over(vendor: Vendor) -> None:
    labels = [NOW.astimezone(EXCHANGE_ZONE) - timedelta(minutes=ago) for ago in (22, 21, 20, 1)]
    rows = {f"{label:%Y-%m-%d %H:%M:%S}": row(100, 101, 99, 100, 5) for label in labels}
    vendor.fake.minutes["AAPL"] = rows
    bars = bars_of(fetch_minutes(vendor.client, "AAPL", NOW.date(), NOW.date()))
    assert [bar.final for bar in bars] == [True, True, False, False]


def test_a_month_before_the_listing_does_not_hide_the_others(vendor: Vendor) -> None:
    vendor.fake.minutes["NEW"] = {"2021-02-01 10:00:00": row(100, 101, 99, 100, 5)}
    assert len(fetch_minutes(vendor.client, "NEW", date(2020, 12, 1), date(2021, 2, 26)).messages) == 1
    assert vendor.fake.asked("month") == ["2020-12", "2021-01", "2021-02"]
    with pytest.raises(UnknownSymbol, match="does not know OLD"):
        fetch_minutes(vendor.client, "OLD", date(2020, 12, 1), date(2021, 2, 26))


def test_an_answer_for_another_symbol_or_zone_is_never_taken(vendor: Vendor) -> None:
    rows = {"2021-02-01 10:00:00": row(100, 101, 99, 100, 5)}
    vendor.fake.bodies["TIME_SERIES_INTRADAY", "AAPL"] = intraday("MSFT", rows)
    with pytest.raises(BadRecord, match="asked for AAPL and answered for MSFT"):
        fetch_minutes(vendor.client, "AAPL", date(2021, 2, 1), date(2021, 2, 1))
    vendor.fake.bodies["TIME_SERIES_INTRADAY", "AAPL"] = intraday("AAPL", rows, zone="UTC")
    with pytest.raises(BadRecord, match="in UTC, not in US/Eastern"):
        fetch_minutes(vendor.client, "AAPL", date(2021, 2, 1), date(2021, 2, 1))
    vendor.fake.bodies["GLOBAL_QUOTE", "AAPL"] = quote("MSFT", "2021-03-05", 230.0, 5)
    fetched = fetch_quote(vendor.client, "AAPL")
    assert not fetched.messages and "answered for MSFT" in fetched.refused[0]
