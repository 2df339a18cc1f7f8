"""Settings, running services and fake vendors for the tests that need them: of their own, never the developer's."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as of_properties

from stock_assets.local import dbt
from stock_assets.local.minio import program as minio_program
from stock_assets.local.services import Services
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment
from stock_assets.settings.warehouse import Snowflake
from stock_assets_tests.distribution import ByShared, turn

if TYPE_CHECKING:
    from stock_assets_tests.fakes.fake_streamer import FakeStreamer
    from stock_assets_tests.fakes.fake_yahoo import FakeYahoo

# a developer's real accounts and clusters must not be reached by a test
ELSEWHERE = (
    "DAGSTER_HOME",
    "DAGSTER_PG_URL",
    "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_HOST",
    "SNOWFLAKE_PORT",
    "LAKE_ROOT",
    "KAFKA_BOOTSTRAP_SERVERS",
    "SCHEMA_REGISTRY_URL",
    "SPARK_REMOTE",
    "SPARK_METRICS_PORT",
    "STORE",
)
# a program puts these into its environment for a lake on S3: unset, not empty, or S3's clients stumble
OBJECT_STORE = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ALLOW_HTTP",
    "AWS_CONDITIONAL_PUT",
)
# The collector without threads of its own does for heaps of this size. A JVM of one test mostly runs code that is still cold:
# with the first compiler alone it takes a quarter less of the processor's time for the same work, and half to start. What
# lives as long as all tests of a worker pays the second one back.
LONG_LIVED = "-XX:+UseSerialGC"
SHORT_LIVED = f"-XX:TieredStopAtLevel=1 {LONG_LIVED}"
COMPILING_S = 3600
TESTS = Path(__file__).parent


# Property tests judge results; how fast this machine draws examples says nothing.
STEADY = of_properties(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
of_properties.register_profile("steady", STEADY)
of_properties.register_profile("thorough", STEADY, max_examples=400)


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("hypothesis_profile", None):
        of_properties.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    compiled = minio_program(Settings.load()).is_file()
    for item in items:
        if TESTS / "services" in item.path.parents:
            item.add_marker("services")
        if needs_minio(item) and not compiled:
            item.add_marker(pytest.mark.timeout(COMPILING_S))  # the first of them waits for the compiler
    late = {item.path for item in items if needs_minio(item)}  # whether compiled or not: every worker must sort alike
    items.sort(key=lambda item: turn(item.path, late))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByShared:
    return ByShared(config, log)


def needs_minio(item: pytest.Item) -> bool:
    return "minio" in getattr(item, "fixturenames", ())


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, following each other, below those that the system gives to clients."""
    while True:
        first = random.randrange(20_000, 32_000)
        ports = list(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports


def own_ports() -> dict[str, str]:
    """The settings of all ports of the embedded services, each to a free one; Kafka and Dagster take the next one, too."""
    named = (
        "KAFKA_PORT",
        "",
        "DAGSTER_PORT",
        "",
        "SPARK_PORT",
        "WAREHOUSE_PORT",
        "MINIO_PORT",
        "DASHBOARD_PORT",
        "POSTGRES_PORT",
        "METRICS_PORT",
    )
    return {name: str(port) for name, port in zip(named, free_ports(len(named)), strict=True) if name}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def place(patch: pytest.MonkeyPatch, local_dir: Path, store: str = "", java_options: str = SHORT_LIVED) -> Settings:
    """Settings with a folder and ports of their own, also for every process started from here."""
    patch.setenv("STOCK_ASSETS_JARS", str(Settings.load().jars_dir))
    patch.setenv("STOCK_ASSETS_LOCAL", str(local_dir))
    patch.setenv("JDK_JAVA_OPTIONS", java_options)
    for name, port in own_ports().items():
        patch.setenv(name, port)
    # or marts would follow every build of every test's platform; those that are about marts take ``installed_dbt``
    patch.setenv("DBT_EXECUTABLE", str(local_dir / "no-dbt"))
    patch.setenv("SERVING", "off")  # for the same reason
    patch.setenv("STREAM", "false")  # likewise; its tests start it themselves
    patch.setenv("LIVE_DEMO", "false")  # or there would always be something new
    for name in ELSEWHERE:
        patch.setenv(name, "")
    for name in OBJECT_STORE:
        patch.setenv(name, "")  # so that its value is put back at the end, even one that was not there
        patch.delenv(name)
    patch.setenv("STORE", store)
    return Settings.load()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of the services that the tests share."""
    with pytest.MonkeyPatch.context() as patch:
        yield place(patch, tmp_path_factory.mktemp("local"), java_options=LONG_LIVED)


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Services]:
    """The shared services, none of them started; all are stopped at the end."""
    shared = Services(settings, print)
    yield shared
    shared.down()


@pytest.fixture(scope="session")
def kafka(services: Services, settings: Settings) -> Broker:
    """A running broker."""
    services.up(["kafka"])
    return settings.broker


@pytest.fixture(scope="session")
def spark_connect(services: Services, settings: Settings) -> str:
    """URL of a running Spark Connect server."""
    services.up(["spark"])
    services.stop(["spark-warm"])  # the first test warms it up as well
    return settings.spark_remote


@pytest.fixture(scope="session")
def warehouse(services: Services, settings: Settings) -> Snowflake:
    """Connection settings of a running warehouse stand-in."""
    services.up(["warehouse"])
    return settings.snowflake


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a lake on a running MinIO. The environment is without them: a test that uses it takes ``on_s3``."""
    with pytest.MonkeyPatch.context() as patch:
        own = place(patch, tmp_path_factory.mktemp("minio"), "minio")
        services = Services(own, print)
        services.up(["minio"])
    yield own
    services.down()


@pytest.fixture
def on_s3(minio: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of ``minio``, with what clients of S3 read from the environment."""
    for name, value in s3_environment(minio).items():
        monkeypatch.setenv(name, value)
    return minio


@pytest.fixture
def installed_dbt(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pinned dbt, beside the jars."""
    monkeypatch.setenv("DBT_EXECUTABLE", "")
    dbt.install(Settings.load())


@pytest.fixture
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of services that one test starts and stops itself."""
    return place(monkeypatch, tmp_path / "local")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """Root of a lake of this test's own."""
    return str(tmp_path / "lake")


@pytest.fixture(scope="session")
def yahoo_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeYahoo]:
    """One fake for the whole run; yfinance keeps what it caches in a folder of the tests."""
    import yfinance

    from stock_assets_tests.fakes.fake_yahoo import fake_yahoo

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
    from stock_assets.sources import yahoo_stream
    from stock_assets_tests.fakes.fake_streamer import fake_streamer

    monkeypatch.setattr(yahoo_stream, "_MOMENT_S", 0.02)
    with fake_streamer() as running:
        yield running
