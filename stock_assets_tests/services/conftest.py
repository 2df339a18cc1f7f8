"""A broker's admin client, a topic and a lake of a test's own, and a fake Yahoo."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yfinance
from kafka.admin import KafkaAdminClient

from stock_assets.settings.kafka import Broker
from stock_assets.sources import yahoo_stream
from stock_assets.topic.topics import Topic
from stock_assets_tests.fakes.fake_streamer import FakeStreamer, fake_streamer
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo, fake_yahoo
from stock_assets_tests.services import landing_records
from stock_assets_tests.services.landing_records import create


@pytest.fixture
def admin(kafka: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(**kafka.kafka_python())
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> Topic:
    return create(admin, f"ticks-{uuid.uuid4().hex[:8]}")


@pytest.fixture(params=["one by one", "in bulk"])
def either_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets landings of few records read them in either way."""
    if request.param == "in bulk":
        monkeypatch.setattr(landing_records, "bulk_from", 0)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture(scope="session")
def yahoo_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeYahoo]:
    """One fake for the whole run; yfinance keeps what it caches in a folder of the tests."""
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    with fake_yahoo(tmp_path_factory.mktemp("yahoo")) as running:
        yield running


@pytest.fixture
def yahoo(yahoo_proxy: FakeYahoo) -> FakeYahoo:
    """The fake without listings, faults and recorded requests."""
    yahoo_proxy.reset()
    return yahoo_proxy


@pytest.fixture
def streamer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStreamer]:
    """A fake of Yahoo's stream; connections to it find out soon that nothing comes."""
    monkeypatch.setattr(yahoo_stream, "_MOMENT_S", 0.02)
    with fake_streamer() as running:
        yield running
