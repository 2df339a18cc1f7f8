"""Settings and running services for the tests that need them: of their own, never the developer's."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.services import Services
from stock_assets.settings import PROJECT, Settings, Snowflake

# a developer's real accounts and clusters must not be reached by a test
ELSEWHERE = (
    "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_HOST",
    "SNOWFLAKE_PORT",
    "LAKE_ROOT",
    "KAFKA_BOOTSTRAP_SERVERS",
    "SPARK_REMOTE",
)
SERVICES_FOLDER = Path(__file__).parent / "services"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVICES_FOLDER in item.path.parents:
            item.add_marker("services")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, following each other, below those that the system gives to clients."""
    while True:
        first = random.randrange(20_000, 32_000)
        ports = list(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def place(patch: pytest.MonkeyPatch, local_dir: Path) -> Settings:
    """Settings with a folder and ports of their own, also for every process started from here."""
    kafka, _controller, spark, warehouse, dagster, _code = free_ports(6)
    patch.setenv("STOCK_ASSETS_LOCAL", str(local_dir))
    patch.setenv("STOCK_ASSETS_JARS", Settings.load().text("STOCK_ASSETS_JARS", str(PROJECT / ".local" / "jars")))
    patch.setenv("KAFKA_PORT", str(kafka))
    patch.setenv("SPARK_PORT", str(spark))
    patch.setenv("WAREHOUSE_PORT", str(warehouse))
    patch.setenv("DAGSTER_PORT", str(dagster))
    for name in ELSEWHERE:
        patch.setenv(name, "")
    return Settings.load()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of the services that the tests share."""
    with pytest.MonkeyPatch.context() as patch:
        yield place(patch, tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Services]:
    """The shared services, none of them started; all are stopped at the end."""
    shared = Services(settings, print)
    yield shared
    shared.down()


@pytest.fixture(scope="session")
def kafka(services: Services, settings: Settings) -> str:
    """Bootstrap address of a running broker."""
    services.up(["kafka"])
    return settings.kafka_bootstrap


@pytest.fixture(scope="session")
def spark_connect(services: Services, settings: Settings) -> str:
    """URL of a running Spark Connect server."""
    services.up(["spark"])
    return settings.spark_remote


@pytest.fixture(scope="session")
def warehouse(services: Services, settings: Settings) -> Snowflake:
    """Connection settings of a running warehouse stand-in."""
    services.up(["warehouse"])
    return settings.snowflake


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of services that one test starts and stops itself."""
    return place(monkeypatch, tmp_path / "local")
