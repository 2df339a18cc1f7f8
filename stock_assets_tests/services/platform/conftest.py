"""One platform for all tests of this folder: what the first of them published and built is there for the next."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import dagster as dg
import pytest

from stock_assets.local.services import Services
from stock_assets.observability.alerting.webhook import Webhook
from stock_assets.settings.platform import Settings
from stock_assets.sources.shipped_history import shipped_messages
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import create_topics
from stock_assets_tests.conftest import place
from stock_assets_tests.services.platform.running import FIRST, TICK_SOURCE, Platform


@pytest.fixture(scope="package")
def webhook() -> Iterator[Webhook]:
    """Where the platform sends its alerts; it always answers."""
    found = Webhook(0)
    yield found
    found.close()


@pytest.fixture(scope="package")
def received(webhook: Webhook) -> Iterator[list[tuple[str, str]]]:
    """Title and body of each alert that came."""
    messages: list[tuple[str, str]] = []
    ended = Event()

    def take() -> None:
        while not ended.is_set():
            got = webhook.wait(lambda: 0.0 if ended.is_set() else 0.2)
            messages.extend([got] if got is not None else [])

    thread = Thread(target=take)
    thread.start()
    yield messages
    ended.set()
    thread.join()


@pytest.fixture(scope="package")
def platform(
    tmp_path_factory: pytest.TempPathFactory, webhook: Webhook, received: list[tuple[str, str]]
) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERTS_URL", f"json://127.0.0.1:{webhook.port}/")
        settings = place(patch, tmp_path_factory.mktemp("platform"))
        # Metrics of the ticks' own bars, so that a late tick reaches the warehouse.
        patch.setenv("BAR_SOURCES", f"{TICK_SOURCE},bokeh")
        patch.setenv("FIRST_SESSION", str(FIRST))
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        settings = Settings.load()
        services = Services(settings, print)
        try:
            services.up()
            create_topics(settings.broker, settings.kafka.partitions)
            publish(settings.broker, shipped_messages(FIRST))
            with dg.DagsterInstance.get() as instance:
                yield Platform(settings, instance)
        finally:
            services.down()
