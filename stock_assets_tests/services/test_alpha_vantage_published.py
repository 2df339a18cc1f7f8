"""Alpha Vantage as a service: what it fetched from a fake on loopback reaches a real broker."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.landing.commit import land
from stock_assets.publishers.alpha_vantage import NAME
from stock_assets.publishers.catch_up import closes_session, newest_minute_sessions, newest_sessions
from stock_assets.publishers.health import HealthFile
from stock_assets.publishers.service import Backoff, run_publisher
from stock_assets.settings.kafka import Broker
from stock_assets.topic.publish import publish, publisher
from stock_assets.topic.topics import BARS, create_topics, topic_state
from stock_assets_tests.fakes.fake_alpha_vantage import recorded_messages
from stock_assets_tests.vendors.alpha_vantage_desk import (
    DAYS,
    OPENED,
    SYMBOLS,
    TODAY,
    Desk,
    desk_of_an_evening,
    ended,
    minute_rows,
)
from stock_assets_tests.vendors.alpha_vantage_vendor import KEY, Vendor, recorded, running_vendor


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    with running_vendor(tmp_path) as running:
        yield running


@recorded
def test_as_a_service_through_a_real_broker_over_a_burst_a_fault_and_the_daily_limit(
    vendor: Vendor, kafka: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="stock_assets")
    create_topics(kafka, 3)
    evening = datetime(2021, 3, 6, 3, tzinfo=UTC)
    desk = Desk(vendor, evening)
    desk.newest = dict.fromkeys(SYMBOLS)
    messages = recorded_messages()
    desk.fake.fail(messages["burst_1_per_second"])
    desk.fake.fail("reset")
    desk.fake.fail({"Time Series (Daily)": desk.fake.daily["AAPL"]})
    desk.fake.fail(messages["daily_limit"])
    health = HealthFile(tmp_path, NAME, [KEY], desk.clock.now)
    seen: list[str] = []

    def look() -> None:
        if desk.clock.at > evening + timedelta(hours=1) and not seen:
            verdict = health.healthy(desk.clock.at)
            seen.append(verdict.because)
            assert verdict
        if desk.clock.at >= datetime(2021, 3, 6, 5, 5, tzinfo=UTC):
            desk.stop.set()

    desk.stop.during = look
    before = _records(kafka)
    with publisher(kafka) as opened:
        done = run_publisher(NAME, desk.polling(), opened, health, desk.stop, Backoff(draw=lambda: 1.0))
    assert "waits until 2021-03-06 05:00:00 UTC" in seen[0]
    state = health.read()
    assert state is not None
    # after midnight: the rest of the history; Friday's bars are not there yet
    assert (state.state, state.fetched, state.acknowledged, state.reconnects) == ("stopped", 46, 46, 3)
    assert _records(kafka) - before == done.acknowledged[BARS.name] == 46
    written = caplog.text + health.path.read_text() + " ".join(desk.refused)
    assert "API key as ***" in written and KEY not in written and "T0PS3CRET" not in written


@recorded
@pytest.mark.parametrize("name", ["missing_or_empty_key", "premium_endpoint"])
def test_as_a_service_a_refusal_for_good_ends_it_with_what_to_do(
    vendor: Vendor, kafka: Broker, tmp_path: Path, name: str
) -> None:
    desk = Desk(vendor, OPENED)
    desk.fake.fail(recorded_messages()[name], times=5)
    health = HealthFile(tmp_path, NAME, [KEY], desk.clock.now)
    with publisher(kafka) as opened, pytest.raises(PermanentError, match="set ALPHA_VANTAGE"):
        run_publisher(NAME, desk.polling(), opened, health, desk.stop)
    state = health.read()
    assert state is not None and state.state == "failed" and "set ALPHA_VANTAGE" in state.last_error
    assert len(desk.fake.requests) == 1


def test_the_lake_tells_which_sessions_have_their_minutes(vendor: Vendor, kafka: Broker, tmp_path: Path) -> None:
    desk = desk_of_an_evening(vendor)
    create_topics(kafka, 3)
    lake = str(tmp_path / "lake")
    desk.fake.minutes["AAPL"] = minute_rows(*DAYS[-4:])
    bars = [bar for bar in ended(desk, desk.polling(["AAPL"], {"AAPL": DAYS[-5]}))]
    closing = [closes_session(bar.trading_day, bar.start_time) for bar in bars if bar.trading_day == TODAY]
    assert closing == [False] * 4 + [True] * 2  # so that no part of a session passes for the whole
    list(land(lake, kafka, BARS))
    daily = newest_sessions(lake, NAME)  # of what other tests left in the topic
    publish(kafka, bars[:-2])
    list(land(lake, kafka, BARS))
    since = DAYS[0]
    assert newest_minute_sessions(lake, NAME, since)["AAPL"] == DAYS[-2]
    assert newest_minute_sessions(lake, NAME, TODAY) == {} == newest_minute_sessions(lake, "yahoo", since)
    assert newest_sessions(lake, NAME) == daily  # minutes are no daily bars
    publish(kafka, bars[-2:])
    list(land(lake, kafka, BARS))
    assert newest_minute_sessions(lake, NAME, since)["AAPL"] == TODAY


def _records(kafka: Broker) -> int:
    state = topic_state(kafka, BARS)
    assert state is not None
    return sum(state.end.values())
