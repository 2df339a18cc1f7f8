"""Publishers under supervisor: started, started again, stopped without loss, and a broker that goes away meanwhile."""

import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kafka
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.domain.messages import Message
from stock_assets.local.processes import owned
from stock_assets.local.services import Services
from stock_assets.local.states import ServiceState
from stock_assets.observability.facts import facts
from stock_assets.publishers.health import Health, HealthFile
from stock_assets.publishers.service import run_publisher
from stock_assets.settings.platform import Settings
from stock_assets.sources.simulated_market import endless_ticks
from stock_assets.topic.publish import publisher
from stock_assets.topic.topics import TICKS, create_topics
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import Listing
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.landing_records import read_topic

QUOTE: dict[str, Any] = {
    "symbol": "AAPL",
    "currency": "USD",
    "exchange": "NMS",
    "marketState": "REGULAR",
    "regularMarketPrice": 100.0,
    "regularMarketTime": int(datetime(2026, 8, 5, 16, tzinfo=UTC).timestamp()),
    "regularMarketVolume": 1000,
    "priceHint": 2,
}
SIMULATOR, QUOTES, VENDOR = "publisher-simulator", "publisher-yahoo-quotes", "publisher-alpha-vantage"

START_S = 150
"""How long interpreters may take to start on a machine that has other work."""


@pytest.fixture
def own_services(
    own_settings: Settings, yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Services]:
    """Services with all publishers that need no network; Alpha Vantage's key is missing."""
    yahoo.listings["AAPL"] = Listing([], quote=QUOTE)
    for name, value in {
        "PUBLISHERS": "simulator, yahoo-quotes,alpha-vantage",
        "SYMBOLS": "AAPL",
        "YAHOO_PROXY": yahoo.proxy,
        "YAHOO_CA_BUNDLE": str(yahoo.ca_bundle),
        "ALPHA_VANTAGE_API_KEY": "",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),  # yfinance's, which keeps cookies
    }.items():
        monkeypatch.setenv(name, value)
    services = Services(Settings.load(), print)
    yield services
    services.down()


def state(services: Services, name: str) -> ServiceState:
    return {each.name: each for each in services.status()}[name]


def health(services: Services, name: str) -> Health | None:
    file = HealthFile(services.settings.local_dir, name.removeprefix("publisher-").replace("-", "_"))
    return file.read()


def acknowledged(services: Services, name: str, pid: int) -> int:
    """How many messages of this process are acknowledged, as it says itself."""
    found = health(services, name)
    return found.acknowledged if found is not None and found.pid == pid else 0


def publishing(services: Services, name: str, more_than: int) -> int:
    """The process, once so many of its messages are acknowledged; on a busy machine a first one may have failed."""
    pid = state(services, name).pid
    return pid if acknowledged(services, name, pid) > more_than else 0


def numbers(ticks: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Of each process of the simulator, the numbers of its ticks in ascending order."""
    found = defaultdict(list)
    for tick in ticks:
        if tick["source"] == "simulator":
            process, number = tick["event_id"].rsplit("/", 1)
            found[process].append(int(number))
    return {process: sorted(each) for process, each in sorted(found.items())}


def test_publishers_run_come_back_and_lose_nothing(own_services: Services) -> None:
    settings = own_services.settings
    own_services.up(["kafka", SIMULATOR, QUOTES, VENDOR])
    first = wait_for(lambda: publishing(own_services, SIMULATOR, 200), START_S)
    wait_for(lambda: publishing(own_services, QUOTES, 0), START_S)
    wait_for(lambda: state(own_services, VENDOR).state == "exited", START_S)  # for good: its key is missing
    table, _, _ = CliRunner().invoke(app, ["status"]).output.partition("\n\n")
    shown = {line.split()[0]: line for line in table.splitlines()}
    assert "  well  simulator is connected" in shown[SIMULATOR] and "  well  yahoo_quotes is connected" in shown[QUOTES]
    assert "NOT WELL  alpha_vantage failed: " in shown[VENDOR] and "set ALPHA_VANTAGE_API_KEY" in shown[VENDOR]
    found = {each.about: each for each in facts(settings)}
    assert not found[SIMULATOR].problem and not found[QUOTES].problem and found[VENDOR].problem
    assert "set ALPHA_VANTAGE_API_KEY" in found[VENDOR].sentence
    assert f"Mend that, then `stock-assets up {VENDOR}`" in found[VENDOR].cure

    # a crash
    os.kill(first, signal.SIGKILL)
    before_crash = acknowledged(own_services, SIMULATOR, first)
    wait_for(lambda: state(own_services, SIMULATOR).pid != first)
    second = wait_for(lambda: publishing(own_services, SIMULATOR, 200), START_S)

    # a lost broker
    own_services.stop(["kafka"])
    lost_at = acknowledged(own_services, SIMULATOR, second)
    own_services.up(["kafka"])
    wait_for(lambda: acknowledged(own_services, SIMULATOR, second) > lost_at + 500, START_S)
    assert state(own_services, SIMULATOR).pid == second and own_services.status()[-2].verdict

    own_services.down()
    assert owned(settings.local_dir) == []
    said = [health(own_services, name) for name in (SIMULATOR, QUOTES)]
    assert [each.state for each in said if each is not None] == ["stopped", "stopped"]
    own_services.up(["kafka"])
    ticks = read_topic(settings.broker, TICKS)
    *_, killed, stopped = numbers(ticks).values()
    assert killed == list(range(len(killed))) and len(killed) >= before_crash
    assert said[0] is not None and stopped == list(range(said[0].acknowledged))
    assert {tick["price"] for tick in ticks if tick["source"] == "yahoo_quotes"} == {100.0}


class Impatient(KafkaProducer):
    """A producer that waits 3 seconds for the broker where the platform waits 120."""

    def flush(self, timeout: float | None = None) -> None:
        super().flush(timeout=min(timeout or 3.0, 3.0))


class Market:
    """A source that delivers a tick about every millisecond."""

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        for tick in self.ticks:
            if stop.wait(0.001):
                return
            yield tick

    def __init__(self) -> None:
        self.ticks = endless_ticks(["AAPL", "MSFT"], 1, datetime.now(UTC), 1000)


@pytest.mark.parametrize("outage", ["short", "long"])
def test_a_service_outlives_its_broker_and_nothing_acknowledged_is_missing(
    own_services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    """A short outage is the producer's business; a long one fails the flush, and the service sends everything again."""
    settings = own_services.settings
    if outage == "long":
        monkeypatch.setattr(kafka, "KafkaProducer", Impatient)
    own_services.up(["kafka"])
    create_topics(settings.broker, 2)
    stop, health = threading.Event(), HealthFile(tmp_path, "market")
    with publisher(settings.broker) as opened, ThreadPoolExecutor(1) as thread:
        running = thread.submit(run_publisher, "market", Market(), opened, health, stop)
        try:
            wait_for(lambda: health.state.acknowledged > 500)
            own_services.stop(["kafka"])
            assert {each.name: each.state for each in own_services.status()}["kafka"] == "stopped"
            lost_at = health.state.acknowledged
            wait_for(lambda: health.state.reconnects if outage == "long" else health.state.fetched > lost_at)
            own_services.up(["kafka"])
            wait_for(lambda: health.state.acknowledged > lost_at + 1000, 150)
        finally:
            stop.set()
        running.result(150)
    told = health.read()
    assert told is not None and told.state == "stopped" and told.acknowledged == told.fetched
    (arrived,) = numbers(read_topic(settings.broker, TICKS)).values()
    assert sorted(set(arrived)) == list(range(told.fetched))


def test_up_with_no_name_means_publishers_too_and_an_empty_setting_none(
    own_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [each.name for each in own_services.status()]
    assert names[-3:] == [SIMULATOR, QUOTES, VENDOR] and "kafka" in names
    monkeypatch.setenv("PUBLISHERS", "")
    assert [each.name for each in Services(Settings.load()).status()] == names[:-3]
