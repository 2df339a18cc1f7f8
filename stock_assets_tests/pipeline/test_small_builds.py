"""The session for small builds gives the rows that the one for large builds gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.domain.tables import DERIVED_TABLES
from stock_assets.lake.staleness import raw_state
from stock_assets.lake.tables import read_sessions
from stock_assets.local.warm_spark import MESSAGES, SESSION, fill
from stock_assets.settings.spark import SMALL_BUILD

SOURCES = ["simulator_ticks", "bokeh"]


@pytest.fixture
def small(spark_connect: str) -> Iterator[SparkSession]:
    session = SparkSession.builder.remote(spark_connect).create()
    for name, value in SMALL_BUILD.items():
        session.conf.set(name, value)
    yield session
    session.stop()


def built(spark: SparkSession, lake: str) -> dict[str, list[dict[str, Any]]]:
    build_minute_bars(spark, lake, SESSION, SESSION)
    build_daily_bars(spark, lake, SESSION, SESSION)
    build_daily_metrics(spark, lake, SOURCES)
    return {
        table.path: read_sessions(lake, table, list(table.names), withheld_too=True)
        .sort_by([(name, "ascending") for name in table.key])
        .to_pylist()
        for table in DERIVED_TABLES
    }


def test_both_give_equal_rows(spark: SparkSession, small: SparkSession, tmp_path: Path) -> None:
    fill(str(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    of_large, of_small = built(spark, str(tmp_path / "one")), built(small, str(tmp_path / "other"))
    assert all(of_large.values()) and of_small == of_large


def test_what_a_build_reads_is_counted_from_statistics(tmp_path: Path) -> None:
    fill(str(tmp_path))
    raw = raw_state(str(tmp_path))
    assert raw.count_rows(SESSION, SESSION) == MESSAGES
    assert raw.count_rows(date.min, date(2013, 2, 26)) == 0
