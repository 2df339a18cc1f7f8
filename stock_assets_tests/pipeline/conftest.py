"""Raw tables as the tests of redrives and compactions find them, and a Spark session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from spark.small_builds import fit_for_small_builds
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, VALUES, land, tick


@pytest.fixture
def strict_lake(lake: str) -> str:
    """Offsets 1 and 3 of each partition were refused by rules that have changed since; 2 and 4 are bad for good."""
    for partition in (0, 1):
        land(lake, VALUES, partition, strict=True, gap=1)
    return lake


@pytest.fixture
def filled(lake: str) -> str:
    """Six landings of two partitions, each with both days, a rejected record and a gap."""
    for number in range(6):
        values = [tick(number * 10 + n, DAY if n % 2 else NEXT_DAY) for n in range(8)]
        land(lake, [*values, b"{bad"], partition=number % 2, gap=1)
    return lake


@pytest.fixture(scope="session")
def spark(spark_connect: str) -> Iterator[SparkSession]:
    """A session of a running server for small builds: Spark Connect, as in production."""
    session = fit_for_small_builds(SparkSession.builder.remote(spark_connect).create())
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
