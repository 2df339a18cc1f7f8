"""settings -> the program of one container of ``docker/``: what it needs is checked first, then it takes this one's place.

Belongs here: how Dagster, the dashboard, Spark, the publishers and the warehouse's stand-in run in a container of their own, where names
of the network stand for the loopback address of local mode. Any other command is run as it is.
Does not belong here: Kafka, MinIO and PostgreSQL, whose images have no Python (docker/start), and which container may use
which (docker/compose.yaml).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stock_assets.domain.errors import PermanentError, StockAssetsError
from stock_assets.json_lines import wanted
from stock_assets.local.dagster import EVENTS_TOGETHER, configuration, create_dagster_tables
from stock_assets.local.json_program import in_json
from stock_assets.local.program import log_configuration, property_lines
from stock_assets.local.spark import SPARK_PROPERTIES, s3a
from stock_assets.local.stream import driver_arguments
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

EVERYWHERE = "0.0.0.0"  # of the container; compose publishes ports on loopback only
CODE_PORT = 4000
WAREHOUSE_PORT = 8085
SCRATCH = Path("/scratch")
LEAST_FREE_BYTES = 512 * 1024**2


def code(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The code location, whose process also starts the runs."""
    _check_account(settings)
    _check_lake(settings)
    _prepare_dagster(settings)
    command = [sys.executable, "-m", "stock_assets.local.code_server", "-h", EVERYWHERE, "-p", str(CODE_PORT)]
    return [*command, "-m", "stock_assets.definitions", "--location-name", "stock_assets", *arguments]


def webserver(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Dagster's web server; the code location is at ``code``."""
    workspace = _prepare_dagster(settings)
    return ["dagster-webserver", "-h", EVERYWHERE, "-p", "3000", "-w", str(workspace), *arguments]


def daemon(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Dagster's daemon: sensors, schedules, queue, backfills."""
    _check_account(settings)
    return ["dagster-daemon", "run", "-w", str(_prepare_dagster(settings)), *arguments]


def collector(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The collector of what the dashboard shows of the platform."""
    _prepare_dagster(settings)
    return ["stock-assets", "collect", *arguments]


def metrics(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The exporter for Prometheus; it reads what the collector keeps in the folder that they share."""
    return ["stock-assets", "metrics", "--address", EVERYWHERE, *arguments]


def alerts(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Alerts; what is still to be sent is in the folder that they share with the collector."""
    _check_room(settings.local_dir)
    return ["stock-assets", "alerts", "run", *arguments]


def dashboard(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The dashboard; it reads the lake, and what the collector keeps in the folder that they share."""
    _check_lake(settings)
    return [sys.executable, "-m", "stock_assets.dashboard.server", EVERYWHERE, *arguments]


def produce(_: Settings, arguments: Sequence[str]) -> list[str]:
    """A publisher, as ``stock-assets produce`` knows it."""
    return ["stock-assets", "produce", *arguments]


def warehouse(_: Settings, arguments: Sequence[str]) -> list[str]:
    """The stand-in for Snowflake."""
    _check_room(Path("/data"))
    command = [sys.executable, "-m", "stock_assets.local.warehouse_server", "--db-path", "/data/warehouse"]
    return [*command, "--host", EVERYWHERE, "--port", str(WAREHOUSE_PORT), *arguments]


def spark_master(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The master of a standalone cluster; one that starts again knows its workers and the driver, which else waits for ever."""
    _prepare_spark(settings)
    recovery = f"-Dspark.deploy.recoveryMode=FILESYSTEM -Dspark.deploy.recoveryDirectory={SCRATCH / 'recovery'}"
    command = ["spark-class", "org.apache.spark.deploy.master.Master", "--host", "spark-master", "--port", "7077"]
    return ["/usr/bin/env", f"SPARK_MASTER_OPTS={recovery}", *command, "--webui-port", "8080", *arguments]


def spark_worker(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """A worker; its executors find the lake's keys in its environment."""
    _check_room(SCRATCH)
    _prepare_spark(settings)
    command = ["spark-class", "org.apache.spark.deploy.worker.Worker", "--webui-port", "8081"]
    return [*command, "--work-dir", str(SCRATCH / "work"), *arguments, "spark://spark-master:7077"]


def spark_connect(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The Connect server, whose session is the one driver of all runs."""
    _check_lake(settings)
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    return spark_submit(settings, ["--name", "stock-assets", "--class", server, *arguments, "spark-internal"])


def spark_submit(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Spark's own ``spark-submit``, with what the stages need as its defaults."""
    _check_room(SCRATCH)
    _prepare_spark(settings)
    return ["spark-submit", *arguments]


def stream(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The stream of windows: a driver of its own, which works within its container."""
    _check_lake(settings)
    return spark_submit(settings, ["--master", "local[2]", *arguments, *driver_arguments(settings)])


ROLES: dict[str, Callable[[Settings, Sequence[str]], list[str]]] = {
    "code": code,
    "webserver": webserver,
    "daemon": daemon,
    "collector": collector,
    "dashboard": dashboard,
    "metrics": metrics,
    "alerts": alerts,
    "produce": produce,
    "warehouse": warehouse,
    "spark-master": spark_master,
    "spark-worker": spark_worker,
    "spark-connect": spark_connect,
    "spark-submit": spark_submit,
    "stream": stream,
}


def _check_account(settings: Settings) -> None:
    if not settings.warehouse.account:
        raise PermanentError(
            "SNOWFLAKE_ACCOUNT is not set: name an account, or start the stand-in as docs/containers.md says"
        )


def _check_lake(settings: Settings) -> None:
    """A bucket that answers; created here, as it must be there before two containers look for it."""
    from stock_assets.lake.store import create_bucket

    if not settings.lake_on_s3:
        raise PermanentError(
            f"LAKE_ROOT must be s3://BUCKET/PREFIX for containers, which share no folder: {settings.lake_root}"
        )
    create_bucket(settings.lake_root)


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise PermanentError(
            f"Only {free // 1024**2} MB are free in the volume at {folder}, {LEAST_FREE_BYTES // 1024**2} are needed; make room"
        )


def _prepare_dagster(settings: Settings) -> Path:
    """Write Dagster's configuration and return that of its workspace. The three containers share the folder."""
    _check_room(settings.local_dir)
    if settings.embedded_postgres:
        raise PermanentError("DAGSTER_PG_URL is not set: containers share one PostgreSQL")
    if settings.embedded_serving:
        raise PermanentError("SERVING_DATABASE_URL is not set; without tables for BI tools set SERVING=off")
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    workspace = home / "workspace.yaml"
    _write(home / "dagster.yaml", configuration(settings))
    _write(workspace, f"load_from:\n  - grpc_server: {{host: code, port: {CODE_PORT}, location_name: stock_assets}}\n")
    os.environ |= {"DAGSTER_HOME": str(home), **EVENTS_TOGETHER}
    create_dagster_tables(settings, print)
    return workspace


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
        **s3a(settings),
    }
    _write(conf / "spark-defaults.conf", property_lines(properties))
    shutil.copy(log_configuration(settings), conf / "log4j2.xml")
    os.environ["SPARK_CONF_DIR"] = str(conf)
    os.environ.pop("SPARK_REMOTE", None)  # a server that finds it takes itself for a client


def _write(path: Path, text: str) -> None:
    """At once, since another container may read it now."""
    new = path.with_name(f"{path.name}.{os.uname().nodename}")
    new.write_text(text)
    new.replace(path)


def main(arguments: Sequence[str]) -> None:
    """Become the program of the role that ``arguments`` begin with; a sentence and exit status 1 when it cannot be."""
    if not arguments:
        sys.exit(f"no role: give one of {', '.join(ROLES)}, or any command")
    name, *rest = arguments
    try:
        settings = load_and_export()  # the lake's keys are in the environment from here on
        command = ROLES[name](settings, rest) if name in ROLES else [name, *rest]
    except StockAssetsError as error:
        sys.exit(f"{name}: {error}")
    if name in ROLES and wanted(settings):
        os.environ["STOCK_ASSETS_SERVICE"] = name
        command = in_json([shutil.which(command[0]) or command[0], *command[1:]])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
