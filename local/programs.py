"""settings -> what supervisor runs: the command, files, ports and environment of each embedded service.

Belongs here: everything that is particular to one service.
Does not belong here: starting, waiting and stopping (services.py), and when one counts as ready (readiness.py).
"""

from __future__ import annotations

import base64
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from local.jars import folders, pyspark_jars
from local.java import Java
from local.minio import program as minio_program
from stock_assets.domain.errors import PermanentError
from stock_assets.settings import PROJECT, Settings

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"

# What org.apache.spark.launcher.JavaModuleOptions gives, less a module that slim runtimes lack.
OPENED = (
    "java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent "
    "java.util.concurrent.atomic jdk.internal.ref sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar"
)
SPARK_JAVA_OPTIONS = [
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED.split()),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
]

SPARK_PROPERTIES = {
    # our stages make about 300 classes; with room for 100 each run would compile them anew
    "spark.sql.codegen.cache.maxEntries": "4000",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
}
"""What the stages need of Spark wherever it runs; local mode and containers add where that is."""

PUBLISHER = "publisher-"
"""What the names of publishers begin with, as services."""

WITH_STORE_KEYS = [sys.executable, "-m", "local.with_store_keys"]


@dataclass(frozen=True)
class Program:
    """One process under supervisor.

    Attributes:
        ports: each port it takes, and the setting that moves it.
        directory: where it runs; emptied before each start if ``fresh``.
        files: what is written before it starts.
        once: it does one thing and ends.
        publisher: it is started again, ever later, unless its exit status is ``ENDED_FOR_GOOD``, and stopped before the others.
    """

    name: str
    command: list[str]
    ports: dict[int, str] = field(default_factory=dict)
    directory: Path = PROJECT
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    fresh: bool = False
    once: bool = False
    publisher: bool = False
    stop_wait_s: int = 20


def programs(settings: Settings, java: Java) -> list[Program]:
    """All embedded services, in the order in which they are started and shown; publishers last."""
    return [
        _kafka(settings, java),
        *([_minio(settings)] if settings.store == "minio" else []),
        _spark(settings, java),
        _spark_warm(settings),
        _warehouse(settings),
        *_dagster(settings),
        *(_publisher(settings, name) for name in settings.vendors.publishers),
    ]


def run_dir(settings: Settings) -> Path:
    """Where rendered configuration lives; nothing in it needs to survive ``down``."""
    return settings.local_dir / "run"


def _kafka(settings: Settings, java: Java) -> Program:
    port, data = settings.kafka_port, settings.local_dir / "kafka"
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{port + 1}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{port + 1}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # the default of 128 MB would be a quarter of the heap, for topics that hold a few keys
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    path = run_dir(settings) / "kafka.properties"
    command = [*_kafka_java(settings, java), "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
    return Program(
        "kafka",
        [*command, "kafka.Kafka", str(path)],
        ports={port: "KAFKA_PORT", port + 1: "KAFKA_PORT"},
        directory=data,
        files={path: lines(properties)},
        stop_wait_s=30,
    )


def _kafka_java(settings: Settings, java: Java) -> list[str]:
    return [str(java.binary), *_java_options(), "-cp", f"{settings.jars_dir / 'kafka'}/*"]


def format_kafka(settings: Settings, java: Java) -> None:
    """Give the broker's data folder a cluster id of its own; does nothing when it has one.

    Raises:
        PermanentError: Kafka's own tool refuses; the text carries its last words.
    """
    if (settings.local_dir / "kafka" / "meta.properties").is_file():
        return
    # a leading "-" would be taken for an option
    ids = (base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in iter(int, 1))
    cluster = next(each for each in ids if not each.startswith("-"))
    arguments = ["format", "--ignore-formatted", "-t", cluster, "-c", str(run_dir(settings) / "kafka.properties")]
    command = [*_kafka_java(settings, java), "kafka.tools.StorageTool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise PermanentError(f"Kafka could not prepare its data folder: {words[-1] if words else 'no message'}")


def _minio(settings: Settings) -> Program:
    port, data = settings.minio_port, settings.local_dir / "minio"
    command = [str(minio_program(settings)), "server", "--quiet", "--address", f"{LOOPBACK}:{port}", str(data)]
    # its console would listen on a port of its own choice, and it would ask the world for its newest version
    environment = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    command = [*WITH_STORE_KEYS, *command]
    return Program("minio", command, ports={port: "MINIO_PORT"}, directory=data, environment=environment)


def s3a(settings: Settings) -> dict[str, str]:
    """How Spark reaches a lake on S3, nothing for a folder; its keys come from the environment."""
    if not settings.lake_on_s3:
        return {}
    endpoint = settings.s3_endpoint
    found = {
        # the lake's tables are called s3://, as delta-rs calls them
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    }
    if endpoint:
        found |= {
            "spark.hadoop.fs.s3a.endpoint": endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": settings.s3_environment["AWS_REGION"],
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https://")).lower(),
        }
    return found


def _spark(settings: Settings, java: Java) -> Program:
    folder = settings.local_dir / "spark"
    scratch = folder / "scratch"  # a killed Spark leaves its temporary files, hence fresh
    properties = {
        "spark.master": "local[*]",
        "spark.app.name": "stock-assets",
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(settings.spark_port),
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch),
        # the shared session must outlive an idle night: a closed one is refused for ever
        "spark.connect.session.manager.defaultSessionTimeout": "-1",
        "spark.sql.warehouse.dir": str(folder / "tables"),
        **SPARK_PROPERTIES,
        **s3a(settings),
    }
    path = run_dir(settings) / "spark.properties"
    shipped = pyspark_jars()
    jars = [settings.jars_dir / folder for folder in folders(settings) if folder != "kafka"]
    return Program(
        "spark",
        [
            # a server that finds SPARK_REMOTE, which its clients may have set, takes itself for a client and ends
            *["/usr/bin/env", "-u", "SPARK_REMOTE"],
            *(WITH_STORE_KEYS if settings.lake_on_s3 else []),
            *[str(java.binary), *_java_options(), *SPARK_JAVA_OPTIONS, f"-Djava.io.tmpdir={scratch}"],
            *[
                "-Xms256m",
                "-Xmx2g",
                "-XX:+ExitOnOutOfMemoryError",
                "-cp",
                ":".join(f"{folder}/*" for folder in (*jars, shipped)),
            ],
            *["org.apache.spark.deploy.SparkSubmit", "--properties-file", str(path)],
            *["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
        ],
        ports={settings.spark_port: "SPARK_PORT"},
        directory=scratch,
        fresh=True,
        # a Spark installed on this machine must not lend its configuration
        environment={
            "SPARK_HOME": str(shipped.parent),
            "SPARK_CONF_DIR": str(run_dir(settings)),
            "SPARK_LOCAL_IP": LOOPBACK,
        },
        files={path: lines(properties)},
    )


def _spark_warm(settings: Settings) -> Program:
    return Program("spark-warm", [sys.executable, "-m", "local.warm_spark"], once=True)


def _warehouse(settings: Settings) -> Program:
    data, port = settings.local_dir / "warehouse", settings.warehouse_port
    command = [sys.executable, "-m", "local.warehouse_server", "--db-path", str(data), "--port", str(port)]
    return Program("warehouse", command, ports={port: "WAREHOUSE_PORT"})


def _dagster(settings: Settings) -> list[Program]:
    """One code server for both: without it each loads the definitions itself, and the daemon again every minute."""
    tools, home, port = Path(sys.executable).parent, settings.dagster_home, settings.dagster_port
    environment = {"DAGSTER_HOME": str(home)}
    workspace = home / "workspace.yaml"
    files = {
        home / "dagster.yaml": (HERE / "dagster.yaml").read_text(),
        workspace: f"load_from:\n  - grpc_server: {{host: {LOOPBACK}, port: {port + 1}, location_name: stock_assets}}\n",
    }
    code = [sys.executable, "-m", "local.code_server", "-h", LOOPBACK, "-p", str(port + 1)]
    code += ["-m", "stock_assets.definitions", "--location-name", "stock_assets"]
    web = [str(tools / "dagster-webserver"), "-h", LOOPBACK, "-p", str(port), "-w", str(workspace)]
    daemon = [str(tools / "dagster-daemon"), "run", "-w", str(workspace)]
    return [
        Program("dagster-code", code, ports={port + 1: "DAGSTER_PORT"}, environment=environment, files=files),
        Program("dagster-webserver", web, ports={port: "DAGSTER_PORT"}, environment=environment, files=files),
        Program("dagster-daemon", daemon, environment=environment, files=files),
    ]


def _publisher(settings: Settings, name: str) -> Program:
    # 100 a second: a disk holds what comes in weeks
    options = ["--seconds", "0", "--rate", "100"] if name == "simulator" else []
    return Program(
        PUBLISHER + name,
        [sys.executable, "-m", "stock_assets.cli", "produce", name, *options],
        environment={"SYMBOLS": settings.text("SYMBOLS")},
        publisher=True,
    )


def create_dagster_storage(settings: Settings) -> None:
    """Create Dagster's databases before several of its processes would, all at once; does nothing when they exist.

    Raises:
        PermanentError: they cannot be created; the text carries the last words.
    """
    if (settings.dagster_home / "schedules" / "schedules.db").is_file():
        return
    environment = {**settings.values, "DAGSTER_HOME": str(settings.dagster_home)}
    command = [sys.executable, "-m", "stock_assets.defs.storage"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=PROJECT
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise PermanentError(f"Dagster could not create its databases: {words[-1] if words else 'no message'}")


def _java_options() -> list[str]:
    return [f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", "-Duser.timezone=UTC", "-Djava.awt.headless=true"]


def lines(properties: dict[str, str]) -> str:
    """A file of properties."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())
