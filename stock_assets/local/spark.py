"""settings -> the embedded Spark Connect server, and what warms it up.

Belongs here: its properties and its command. Does not belong here: starting it (``services``), what it builds (``spark/``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from stock_assets.local import class_archive
from stock_assets.local.jars import folders, pyspark_jars
from stock_assets.local.java import Java
from stock_assets.local.program import LOOPBACK, WITH_STORE_KEYS, Program, java_options, property_lines, run_dir
from stock_assets.local.spark_metrics import metrics_ports, metrics_properties
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment

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

# Most of Spark's code runs a few hundred times in a build and is never worth the second compiler's time; loops over rows are,
# and reach it a little later. With the defaults a build of 125,000 rows on a new server takes half as long again, and of
# its processor's time two thirds more. The collector without threads of its own does for a heap of this size.
COMPILE_LATE = [
    *("-XX:Tier3DelayOn=0", "-XX:Tier3InvocationThreshold=2000", "-XX:Tier3MinInvocationThreshold=1000"),
    *("-XX:Tier3CompileThreshold=20000", "-XX:Tier4InvocationThreshold=50000", "-XX:Tier4MinInvocationThreshold=6000"),
    *("-XX:Tier4CompileThreshold=150000", "-XX:Tier4BackEdgeThreshold=400000", "-XX:+UseSerialGC"),
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
    # files are sorted by symbol: who reads one of hundreds reads a few of these groups, and not whole years
    "spark.hadoop.parquet.block.size": str(1 << 20),
}
"""What the stages need of Spark wherever it runs; local mode and containers add where that is."""


def spark(settings: Settings, java: Java) -> Program:
    scratch = settings.local_dir / "spark" / "scratch"  # a killed Spark leaves its temporary files, hence fresh
    path = run_dir(settings) / "spark.properties"
    command = server_command(settings, java, path, scratch, class_archive.options(archive(settings, java)))
    properties = {
        **server_properties(settings, settings.local.spark_port, scratch),
        **metrics_properties(settings.spark.metrics_port),
    }
    return Program(
        "spark",
        command,
        ports={settings.local.spark_port: "SPARK_PORT", **metrics_ports(settings.spark.metrics_port)},
        directory=scratch,
        fresh=True,
        environment=server_environment(settings),
        files={path: property_lines(properties)},
    )


def archive(settings: Settings, java: Java) -> Path:
    """Where the classes of the server lie, once ``class_archive`` has made it."""
    return class_archive.archive_of(java, _class_path(settings), settings.jars_dir)


def server_properties(settings: Settings, port: int, scratch: Path) -> dict[str, str]:
    """Of a server that listens at a port of loopback."""
    return {
        "spark.app.name": "stock-assets",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(port),
        # the shared session must outlive an idle night: a closed one is refused for ever
        "spark.connect.session.manager.defaultSessionTimeout": "-1",
        **driver_properties(settings, scratch),
    }


def driver_properties(settings: Settings, scratch: Path) -> dict[str, str]:
    """Of any driver that works within its own process on this machine."""
    return {
        "spark.master": "local[*]",
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        **metrics_properties(None),
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch.with_name("tables")),
        **SPARK_PROPERTIES,
        **s3a(settings),
    }


def server_command(settings: Settings, java: Java, properties: Path, scratch: Path, given: list[str]) -> list[str]:
    """A server with these properties and further options of Java."""
    return [
        # a server that finds SPARK_REMOTE, which its clients may have set, takes itself for a client and ends
        *["/usr/bin/env", "-u", "SPARK_REMOTE"],
        *submit_command(settings, java, properties, scratch, [*given, "-Xms256m", "-Xmx2g"]),
        *["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
    ]


def submit_command(settings: Settings, java: Java, properties: Path, scratch: Path, given: list[str]) -> list[str]:
    """Java with ``spark-submit`` and further options of Java; what is submitted follows."""
    return [
        *(WITH_STORE_KEYS if settings.lake_on_s3 else []),
        *[str(java.binary), *java_options(settings), *SPARK_JAVA_OPTIONS, f"-Djava.io.tmpdir={scratch}", *given],
        *["-XX:+ExitOnOutOfMemoryError", *COMPILE_LATE],
        *["-cp", ":".join(f"{folder}/*" for folder in _class_path(settings))],
        *["org.apache.spark.deploy.SparkSubmit", "--properties-file", str(properties)],
    ]


def server_environment(settings: Settings) -> dict[str, str]:
    """A Spark installed on this machine must not lend its configuration."""
    return {
        "SPARK_HOME": str(pyspark_jars().parent),
        "SPARK_CONF_DIR": str(run_dir(settings)),
        "SPARK_LOCAL_IP": LOOPBACK,
    }


def _class_path(settings: Settings) -> list[Path]:
    jars = [settings.jars_dir / folder for folder in folders(settings) if folder != "kafka"]
    return [*jars, pyspark_jars()]


def spark_warm(settings: Settings) -> Program:
    return Program("spark-warm", [sys.executable, "-m", "stock_assets.local.warm_spark"], settings.home, once=True)


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
            "spark.hadoop.fs.s3a.endpoint.region": s3_environment(settings)["AWS_REGION"],
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https://")).lower(),
        }
    return found
