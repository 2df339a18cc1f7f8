"""The stream as it runs: a process of its own, over a lake that others change meanwhile."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import S3FileSystem, copy_files
from pyspark.sql import SparkSession

from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.store import create_bucket
from stock_assets.local.jars import fetch
from stock_assets.local.services import Services
from stock_assets.raw import rebuild as rebuilding
from stock_assets.raw import withdrawal
from stock_assets.raw.compaction import compact
from stock_assets.raw.rebuild import rebuild
from stock_assets.raw.withdrawal import withdraw
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import TICKS, TopicState
from stock_assets_tests.chaos.live import Market, StreamProcess, differing_windows, listed_late, ticks_in
from stock_assets_tests.conftest import place
from stock_assets_tests.patience import wait_for
from stock_assets_tests.pipeline import raw_lake
from stock_assets_tests.pipeline.raw_lake import DAY, NEXT_DAY, TOPIC_ID, chunk_of, land, redrive_all
from stock_assets_tests.pipeline.test_live_batch import trade

NOBODY = Broker("127.0.0.1:1")
CAUGHT_UP_S = 180
SMALL_FILE_BYTES = 20_000


@pytest.fixture(scope="module")
def spark(spark_connect: str) -> Iterator[SparkSession]:
    session = SparkSession.builder.remote(spark_connect).create()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()


@pytest.fixture
def stream(own_settings: Settings, lake: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamProcess]:
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("WINDOW_TRIGGER_S", "2")
    process = StreamProcess(Settings.load())
    yield process
    process.end(signal.SIGKILL)


def assert_ends_equal(spark: SparkSession, lake: str, ticks: int, *days: Any) -> None:
    wait_for(lambda: ticks_in(lake) == ticks, CAUGHT_UP_S, pause_s=0.5)
    for day in days or (DAY,):
        wait_for(lambda day=day: differing_windows(spark, lake, day) == 0, CAUGHT_UP_S, pause_s=1.0)  # type: ignore[misc]


@pytest.mark.timeout(900)
def test_a_stream_ends_equal_whatever_is_done_to_raw_ticks(
    spark: SparkSession, stream: StreamProcess, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sessions replayed at once, a tick 23 h ahead, a partition an hour behind; rebuild, compaction, redrive, withdraw."""
    monkeypatch.setattr(withdrawal, "topic_state", lambda broker, topic: None)
    # the broker stores all of it after the first session's close: ticks of the second one claim to be from the future
    monkeypatch.setattr(raw_lake, "STORED_MS", round(session(DAY).post_close_time.timestamp() * 1000))
    records: dict[int, list[bytes]] = {0: [], 1: []}

    def publish(partition: int, *values: bytes, strict: bool = False) -> None:
        land(lake, values, partition, strict=strict)
        records[partition] += values

    publish(0, trade(0), trade(0, day=NEXT_DAY))
    stream.start()
    wait_for(stream.reads, CAUGHT_UP_S)
    for minute in range(0, 90, 10):
        both = [trade(minute + n, day=day, price=10 + n) for n in range(10) for day in (DAY, NEXT_DAY)]
        publish(0, *both, *([trade(23 * 60, "AHEAD")] if minute == 30 else []))
    publish(1, *(trade(n, "BBB") for n in range(30)), trade(31, "STRICT"), strict=True)
    total = sum(map(len, records.values()))
    assert_ends_equal(spark, lake, total - 1, DAY, NEXT_DAY)
    assert listed_late(lake) == []
    withdraw(lake, NOBODY, TICKS, 0, 3, "a fat finger")
    redrive_all(lake)
    compact(lake, RAW_TICKS, DAY)
    publish(1, trade(40, "BBB"), trade(32, "BBB"))
    assert_ends_equal(spark, lake, total + 1, DAY, NEXT_DAY)
    assert listed_late(lake) == [(1, 32)]
    monkeypatch.setattr(
        rebuilding, "topic_state", lambda broker, topic: TopicState(TOPIC_ID, {0: 0, 1: 0}, ends(records))
    )
    monkeypatch.setattr(rebuilding, "RangeReader", reader_of(records))
    assert rebuild(lake, NOBODY, TICKS, DAY).replaced
    wait_for(lambda: "computed whole" in stream.log.read_text(), CAUGHT_UP_S, pause_s=0.5)
    assert_ends_equal(spark, lake, total + 1, DAY, NEXT_DAY)


def ends(records: dict[int, list[bytes]]) -> dict[int, int]:
    return {partition: len(values) for partition, values in records.items()}


def reader_of(records: dict[int, list[bytes]]) -> Callable[..., Any]:
    """The topic, as a rebuild reads it."""

    class Reader:
        def __init__(self, broker: Any, topic: Any, start: dict[int, int], end: dict[int, int]) -> None:
            self.start, self.end = start, end

        def chunks(self) -> Iterator[Chunk]:
            for partition, first in self.start.items():
                yield chunk_of(first, records[partition][first : self.end[partition]], partition)

        def close(self) -> None:
            pass

    return Reader


@pytest.mark.timeout(600)
def test_a_stream_on_a_full_disk_says_so_and_resumes(spark: SparkSession, stream: StreamProcess, lake: str) -> None:
    market = Market(lake, seed=2, rate=40, late=3, minutes_a_second=10.0)
    market.step()
    stream.start()
    wait_for(stream.reads, CAUGHT_UP_S)
    wait_for(lambda: ticks_in(lake) == sum(market.landed), CAUGHT_UP_S, pause_s=0.5)
    python = stream.python()
    _, hard = resource.prlimit(python, resource.RLIMIT_FSIZE)
    # as a full disk does, writing fails in the middle of a file
    resource.prlimit(python, resource.RLIMIT_FSIZE, (SMALL_FILE_BYTES, hard))
    for _ in range(8):
        market.step()
    wait_for(lambda: (state := stream.state) is not None and bool(state.failed), CAUGHT_UP_S, pause_s=0.5)
    resource.prlimit(python, resource.RLIMIT_FSIZE, (hard, hard))
    assert_ends_equal(spark, lake, sum(market.landed))
    assert listed_late(lake) == sorted(market.late)
    assert "again in" in stream.log.read_text()


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A MinIO that this test alone starts and stops, with what its clients read from the environment."""
    settings = place(monkeypatch, tmp_path / "local", "minio")
    fetch(settings)
    services = Services(settings, print)
    services.up(["minio"])
    for name, value in s3_environment(settings).items():
        monkeypatch.setenv(name, value)
    yield services
    services.down()


def download(uri: str, folder: str) -> None:
    """Every file of a folder on the embedded MinIO."""
    store = S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"].removeprefix("http://"), scheme="http")
    copy_files(uri.removeprefix("s3://"), folder, source_filesystem=store)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_stream_whose_store_is_away_says_so_and_resumes(
    spark: SparkSession, minio: Settings, own_store: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDOW_TRIGGER_S", "2")
    settings = Settings.load()
    stream, market = StreamProcess(settings), Market(settings.lake_root, seed=4, rate=40, late=3, minutes_a_second=10.0)
    create_bucket(settings.lake_root)
    try:
        market.step()
        stream.start()
        wait_for(stream.reads, CAUGHT_UP_S)
        wait_for(lambda: ticks_in(settings.lake_root) == sum(market.landed), CAUGHT_UP_S, pause_s=0.5)
        market.step()
        own_store.stop(["minio"])
        wait_for(lambda: stream.log.read_text().count("again in") > 1, 2 * CAUGHT_UP_S, pause_s=0.5)
        assert stream.state is not None and stream.state.failed
        assert "S3" in stream.state.failed and len(stream.state.failed.splitlines()) == 1
        own_store.up(["minio"])
        for _ in range(8):
            market.step()
        ticks = str(tmp_path / "ticks")  # the shared Spark does not know this store
        download(f"{settings.lake_root}/{RAW_TICKS.path}", f"{ticks}/{RAW_TICKS.path}")
        wait_for(lambda: ticks_in(settings.lake_root) == sum(market.landed), CAUGHT_UP_S, pause_s=0.5)
        wait_for(lambda: differing_windows(spark, ticks, windows_in=settings.lake_root) == 0, CAUGHT_UP_S, pause_s=1.0)
        assert listed_late(settings.lake_root) == sorted(market.late)
    finally:
        stream.end(signal.SIGKILL)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kills_of_the_stream_lose_and_double_nothing(spark: SparkSession, stream: StreamProcess, lake: str) -> None:
    rounds = int(os.environ.get("ROUNDS", "30"))
    chance, market = random.Random(3), Market(lake, seed=3, rate=200, late=37, minutes_a_second=6.0 / rounds + 0.2)
    for _ in range(3):
        market.step()
    market.start()
    for number in range(rounds):
        stream.start()
        wait_for(stream.reads, CAUGHT_UP_S)
        with suppress(subprocess.TimeoutExpired):
            stream.wait(chance.uniform(0, 5))  # somewhere in a batch, or between two
        stream.end(signal.SIGKILL)
        if number % 10 == 9:  # also without what it had read
            for file in (stream.settings.local_dir / "stream" / "checkpoint").rglob("*"):
                if file.is_file():
                    file.unlink()
    market.close()
    stream.start()
    assert_ends_equal(spark, lake, sum(market.landed))
    listed = listed_late(lake)
    print(
        f"{rounds} kills: windows differing from batch {differing_windows(spark, lake)}, "
        f"late {len(set(listed) & market.late)} of {len(market.late)} listed and repaired"
    )
    assert listed == sorted(market.late) and len(market.late) == 37
