"""The lake on a real MinIO: landing, concurrent commits, Spark, and what is said when it cannot be reached."""

import re
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from stock_assets.commands.store import files
from stock_assets.defs.resources import ObjectStore
from stock_assets.domain.errors import LandingConflict, PermanentError, ServiceUnavailable, StockAssetsError
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TICKS
from stock_assets.lake import store
from stock_assets.lake.built import built_from, record_built
from stock_assets.lake.staleness import stale_by_stage
from stock_assets.lake.tables import open_or_create_table, open_table, read_sessions
from stock_assets.landing.commit import commit, land
from stock_assets.landing.prepare import Limits
from stock_assets.local.processes import owned
from stock_assets.local.services import Services
from stock_assets.local.warm_spark import fill
from stock_assets.observability.fact import Fact
from stock_assets.observability.facts import facts
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.services.landing_records import DAY, NEXT_DAY, holds, land_all, rows_for, send, tick
from stock_assets_tests.services.test_embedded_services import linux, listening

SESSIONS = (date(2013, 2, 27), date(2013, 3, 1))  # those of the ticks and bars that fill() stores
SECRET = "a-secret-that-is-wrong"


@pytest.fixture
def bucket(on_s3: Settings) -> str:
    """Root of a bucket that does not exist yet."""
    return f"s3://lake-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def lake(bucket: str) -> str:
    return f"{bucket}/lake"


@pytest.fixture(scope="module")
def spark(minio: Settings) -> Iterator[str]:
    """URL of a Spark that knows this MinIO."""
    services = Services(minio, print)
    services.up(["spark"])
    services.stop(["spark-warm"])  # it would compete with the one test for the machine
    yield minio.spark_remote
    services.stop(["spark"])


def test_a_landing_on_s3_is_complete(kafka: Broker, topic: Topic, lake: str) -> None:
    assert open_table(lake, RAW_TICKS) is None  # nor is there a bucket
    send(kafka, topic, [*(tick(n, DAY if n % 2 else NEXT_DAY) for n in range(5000)), b"{bad"])
    landings = list(land(lake, kafka, topic, Limits(max_rows=2000)))
    assert len(landings) >= 2
    assert sum(landing.accepted for landing in landings) == 5000
    assert sum(landing.rejected for landing in landings) == 1
    assert holds(lake, topic) and holds(lake, topic, [DAY])
    assert land_all(lake, kafka, topic) == []
    assert read_sessions(lake, RAW_TICKS, ["symbol"], DAY, DAY).num_rows == 2500
    # The fingerprints of staleness come from file statistics, and are kept in a table that is written here too.
    assert stale_by_stage(lake, "")[MINUTE_BARS.path] == [DAY, NEXT_DAY]
    record_built(lake, MINUTE_BARS.path, {DAY: "as it was"})
    assert built_from(lake, MINUTE_BARS.path) == {DAY: "as it was"}


def test_of_two_writers_from_one_snapshot_one_is_refused(kafka: Broker, topic: Topic, lake: str) -> None:
    send(kafka, topic, [tick(n) for n in range(3)], partition=0)
    open_or_create_table(lake, RAW_TICKS)
    first, second = (open_table(lake, RAW_TICKS) for _ in range(2))
    state = topic_state(kafka, topic)
    assert first is not None and second is not None and state is not None
    rows = rows_for(topic, state.topic_id, 3)
    commit(lake, topic, first, rows("a"), state.topic_id, {0: 0}, {0: 3}, "a")
    with pytest.raises(LandingConflict):
        commit(lake, topic, second, rows("b"), state.topic_id, {0: 0}, {0: 3}, "b")
    assert DeltaTable(f"{lake}/{RAW_TICKS.path}").to_pyarrow_table().num_rows == 3


def test_forty_commits_at_once_are_all_kept(lake: str) -> None:
    store.create_bucket(lake)
    uri = f"{lake}/numbers"
    write_deltalake(uri, pa.table({"number": pa.array([], pa.int64())}))

    def append(number: int) -> None:
        patient = CommitProperties(max_commit_retries=200)
        write_deltalake(uri, pa.table({"number": [number]}), mode="append", commit_properties=patient)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(append, range(40)))
    table = DeltaTable(uri)
    assert table.version() == 40
    assert sorted(table.to_pyarrow_table()["number"].to_pylist()) == list(range(40))


def test_spark_builds_on_s3_what_it_builds_in_a_folder(spark: str, lake: str, tmp_path: Path) -> None:
    roots = (lake, str(tmp_path / "lake"))
    for root in roots:
        fill(root)
    # Spark Connect keeps one session a process, and other tests have one of another server.
    script = textwrap.dedent(
        f"""
        from pyspark.sql import SparkSession
        from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
        from stock_assets_tests.services.test_minio import SESSIONS
        spark = SparkSession.builder.remote({spark!r}).getOrCreate()
        for root in {roots!r}:
            build_minute_bars(spark, root, *SESSIONS)
            build_daily_bars(spark, root, *SESSIONS)
            assert build_daily_metrics(spark, root, ["bokeh"]).changed
            assert build_daily_metrics(spark, root, ["bokeh"]).changed == []  # what it wrote, it reads
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=PROJECT)
    for table in (MINUTE_BARS, DAILY_BARS, DAILY_METRICS):
        on_s3, in_folder = (rows_of(root, table) for root in roots)
        assert on_s3
        assert on_s3 == in_folder


def rows_of(root: str, table: Table) -> list[tuple[object, ...]]:
    rows = DeltaTable(f"{root}/{table.path}").to_pyarrow_table().select(list(table.names)).to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=repr)


def test_a_bucket_is_created_once(on_s3: Settings, bucket: str) -> None:
    assert not store.bucket_exists(bucket)
    resource = ObjectStore(root=bucket)
    assert (resource.create_bucket(), store.create_bucket(bucket)) == (True, False)
    store._existing.clear()  # as in another process
    assert store.bucket_exists(bucket)
    assert not resource.create_bucket()
    assert resource.client().head_bucket(Bucket=bucket.removeprefix("s3://"))


def test_a_bucket_created_meanwhile_is_no_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.create_bucket(bucket)
    monkeypatch.setattr(store, "bucket_exists", lambda *_: False)
    assert not store.create_bucket(bucket)


@pytest.mark.parametrize("action", [store.bucket_exists, store.create_bucket, lambda root: list(store.files(root))])
def test_wrong_keys_are_a_sentence_without_them(
    bucket: str, monkeypatch: pytest.MonkeyPatch, action: object, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(PermanentError, match=r"refuses access to the bucket lake-.*AWS_SECRET_ACCESS_KEY") as told:
        action(bucket)  # type: ignore[operator]
    assert SECRET not in f"{told.value}{told.value.__cause__}{capfd.readouterr()}"
    with pytest.raises(PermanentError, match="refuses access"):
        open_table(bucket, RAW_TICKS)


def test_a_store_that_does_not_answer_is_a_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ServiceUnavailable, match=r"answers at http://127\.0\.0\.1:1: .*AWS_ENDPOINT_URL"):
        open_table(bucket, RAW_TICKS)


def test_files_lists_s3_as_it_lists_a_folder(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for root in (lake, str(tmp_path / "lake")):
        monkeypatch.setenv("LAKE_ROOT", root)
        files()
        assert "0  in 0 files" in capsys.readouterr().out
        open_or_create_table(root, RAW_TICKS)
        write_deltalake(f"{root}/other", pa.table({"number": [1]}))
        files("raw/ti")
        printed.append(capsys.readouterr().out)
        files()
        assert re.search(r"[1-9]\d*  other/part-.*\.parquet", capsys.readouterr().out)
    for text, root in zip(printed, (lake, str(tmp_path / "lake")), strict=True):
        assert re.search(r"^ +\d(,\d+)*  raw/ticks/_delta_log/0{20}\.json$", text, re.MULTILINE), text
        assert "other" not in text
        assert text.splitlines()[-1].endswith(f"in 1 files of {root}")


def test_minio_is_a_service_like_the_others(minio: Settings, tmp_path: Path) -> None:
    state = {each.name: each for each in Services(minio).status()}["minio"]
    assert (state.state, state.address) == ("running", f"127.0.0.1:{minio.local.minio_port}")
    with pytest.raises(StockAssetsError, match="minio needs STORE=minio"):
        Services(Settings({"STOCK_ASSETS_LOCAL": str(tmp_path)})).up(["minio"])


def test_doctor_asks_minio_with_our_keys(on_s3: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> Fact:
        return next(fact for fact in facts(on_s3) if fact.about == "minio")

    assert not told().problem
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert told().problem and "refuses access" in told().sentence


@linux
def test_minio_listens_on_loopback_only(minio: Settings) -> None:
    addresses = listening(owned(minio.local_dir))
    assert minio.local.minio_port in {port for _, port in addresses}
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert {address for address, _ in addresses} <= loopback


@linux
def test_no_key_is_shown(minio: Settings) -> None:
    secret = s3_environment(minio)["AWS_SECRET_ACCESS_KEY"]
    for path in [*minio.local_dir.glob("run/*.conf"), *minio.local_dir.glob("run/*.properties")]:
        assert secret not in path.read_text(), path
    for path in minio.local_dir.glob("logs/*"):
        assert secret not in path.read_text(errors="replace"), path
    for pid in owned(minio.local_dir):
        assert secret not in Path(f"/proc/{pid}/cmdline").read_text(), pid
