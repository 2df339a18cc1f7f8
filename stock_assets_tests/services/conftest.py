"""A broker's admin client and a topic of a test's own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import Topic
from stock_assets_tests.services import landing_records
from stock_assets_tests.services.landing_records import create
from stock_assets_tests.services.wheel_program import build_wheel


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


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))
