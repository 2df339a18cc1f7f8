"""settings -> the program of one of Spark's containers or pods.

Belongs here: the roles that need Java: master, worker, Connect server, ``spark-submit``, stream, and the driver and executors of an
application on Kubernetes; and the defaults that are written for all of them. Does not belong here: what the stages need
of Spark wherever it runs (``spark``), and the other roles (``container``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from stock_assets.local.container_needs import EVERYWHERE, check_lake, check_room, write_at_once
from stock_assets.local.program import log_configuration, property_lines
from stock_assets.local.spark import SPARK_PROPERTIES, s3a
from stock_assets.local.spark_metrics import metrics_properties
from stock_assets.local.spark_pods import driver_arguments as pod_driver_arguments
from stock_assets.local.spark_pods import executor_command
from stock_assets.local.stream import driver_arguments
from stock_assets.settings.platform import Settings

SCRATCH = Path("/scratch")


def spark_master(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The master of a standalone cluster; one that starts again knows its workers and the driver, which else waits for ever."""
    _prepare_spark(settings)
    recovery = f"-Dspark.deploy.recoveryMode=FILESYSTEM -Dspark.deploy.recoveryDirectory={SCRATCH / 'recovery'}"
    command = ["spark-class", "org.apache.spark.deploy.master.Master", "--host", "spark-master", "--port", "7077"]
    return ["/usr/bin/env", f"SPARK_MASTER_OPTS={recovery}", *command, "--webui-port", "8080", *arguments]


def spark_worker(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """A worker; its executors find the lake's keys in its environment."""
    check_room(SCRATCH)
    _prepare_spark(settings)
    command = ["spark-class", "org.apache.spark.deploy.worker.Worker", "--webui-port", "8081"]
    return [*command, "--work-dir", str(SCRATCH / "work"), *arguments, "spark://spark-master:7077"]


def spark_connect(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The Connect server, whose session is the one driver of all runs."""
    check_lake(settings)
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    return spark_submit(settings, ["--name", "stock-assets", "--class", server, *arguments, "spark-internal"])


def spark_submit(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Spark's own ``spark-submit``, with what the stages need as its defaults."""
    check_room(SCRATCH)
    _prepare_spark(settings)
    return ["spark-submit", *arguments]


def stream(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The stream of windows: a driver of its own, which works within its container."""
    check_lake(settings)
    return spark_submit(settings, ["--master", "local[2]", *arguments, *driver_arguments(settings)])


def spark_driver(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The driver of an application on Kubernetes."""
    check_lake(settings)
    return spark_submit(settings, pod_driver_arguments(os.environ, arguments))


def spark_executor(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """An executor of such a driver; it finds the lake's keys in its environment."""
    check_room(SCRATCH)
    _prepare_spark(settings)
    return executor_command(os.environ, arguments)


def _prepare_spark(settings: Settings) -> None:
    """Write Spark's defaults, and put where they are into the environment, beside the lake's keys."""
    conf, temporary = SCRATCH / "conf", SCRATCH / "tmp"
    for folder in (conf, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    jars = ":".join(f"{settings.jars_dir / folder}/*" for folder in ("spark", "s3a"))
    properties = {
        **SPARK_PROPERTIES,
        "spark.driver.extraClassPath": jars,
        "spark.executor.extraClassPath": jars,
        # compression unpacks its native code there and runs it, which /tmp forbids
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={temporary}",
        "spark.executor.extraJavaOptions": f"-Djava.io.tmpdir={temporary}",
        "spark.local.dir": str(SCRATCH / "local"),
        "spark.sql.warehouse.dir": str(SCRATCH / "tables"),
        "spark.connect.grpc.binding.address": EVERYWHERE,
        "spark.connect.grpc.binding.port": "15002",
        # each driver has a container of its own, so that one port does for both
        **metrics_properties(settings.spark.metrics_port),
        **s3a(settings),
    }
    write_at_once(conf / "spark-defaults.conf", property_lines(properties))
    shutil.copy(log_configuration(settings), conf / "log4j2.xml")
    os.environ["SPARK_CONF_DIR"] = str(conf)
    os.environ.pop("SPARK_REMOTE", None)  # a server that finds it takes itself for a client
