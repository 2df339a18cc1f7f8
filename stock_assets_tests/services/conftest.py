"""A broker's admin client, a topic and a lake of a test's own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from stock_assets.topic.topics import Topic
from stock_assets_tests.services.landing_records import create


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> Topic:
    return create(admin, f"ticks-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")
