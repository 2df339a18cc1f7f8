"""The session for small builds gives the rows that the one for large builds gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark.checkpoint import compute_once
from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.defs.resources import Spark
from stock_assets.domain.tables import DERIVED_TABLES, RAW_BARS, RAW_TICKS
from stock_assets.lake.staleness import raw_state
from stock_assets.lake.tables import count_rows, read_sessions
from stock_assets.local.warm_spark import SESSION, fill
from stock_assets.settings.spark import SMALL_BUILD_ROWS

SOURCES = ["simulator_ticks", "bokeh"]


@pytest.fixture
def spark(spark_connect: str) -> Iterator[Spark]:
    given = Spark(
        remote=f"{spark_connect}/;session_id={uuid4()}", small_remote=f"{spark_connect}/;session_id={uuid4()}"
    )
    yield given
    given.close()


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


def test_both_give_equal_rows(spark: Spark, tmp_path: Path) -> None:
    fill(str(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    of_small = built(spark.session(0), str(tmp_path / "one"))
    of_large = built(spark.session(SMALL_BUILD_ROWS), str(tmp_path / "other"))
    assert all(of_large.values()) and of_small == of_large


def test_what_is_computed_once_stays_with_its_session(spark: Spark) -> None:
    for rows in (0, SMALL_BUILD_ROWS):
        session = spark.session(rows)
        once = compute_once(session.range(3).withColumn("drawn", F.rand()))
        assert once.sparkSession is session and once.collect() == once.collect()


def test_what_a_build_reads_is_counted_from_statistics(tmp_path: Path) -> None:
    fill(str(tmp_path))
    raw = raw_state(str(tmp_path))
    everything = sum(count_rows(str(tmp_path), table) for table in (RAW_TICKS, RAW_BARS))
    assert everything == raw.count_rows(date.min, date.max) > raw.count_rows(SESSION, SESSION) > 0
    assert raw.count_rows(date.min, SESSION - timedelta(days=1)) == 0
