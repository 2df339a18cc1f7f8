"""A Spark session for the tests of the pipeline: Spark Connect, as in production."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(spark_connect: str) -> Iterator[SparkSession]:
    """A session of a running server."""
    session = SparkSession.builder.remote(spark_connect).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
