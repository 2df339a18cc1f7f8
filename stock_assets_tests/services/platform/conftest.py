"""One platform for all tests of this folder: what the first of them published and built is there for the next."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.sources.shipped_history import shipped_messages
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import create_topics
from stock_assets_tests.conftest import place
from stock_assets_tests.services.platform.running import FIRST, TICK_SOURCE, Platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
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
