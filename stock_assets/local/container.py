"""settings -> the program of one container of ``docker/``: what it needs is checked first, then it takes this one's place.

Belongs here: how Dagster, the dashboard, the publishers and the warehouse's stand-in run in a container of their own, where names
of the network stand for the loopback address of local mode; and the list of all roles. Any other command is run as it is.
Does not belong here: Spark's roles (``spark_container``); Kafka, MinIO and PostgreSQL, whose images have no Python (docker/start);
and which container may use which (docker/compose.yaml).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stock_assets.domain.errors import PermanentError, StockAssetsError
from stock_assets.json_lines import wanted
from stock_assets.local.container_needs import EVERYWHERE, check_account, check_lake, check_room, write_at_once
from stock_assets.local.dagster import EVENTS_TOGETHER, configuration, create_dagster_tables
from stock_assets.local.json_program import in_json
from stock_assets.local.spark_container import (
    spark_connect,
    spark_driver,
    spark_executor,
    spark_master,
    spark_submit,
    spark_worker,
    stream,
)
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

CODE_PORT = 4000
PLATFORM = [sys.executable, "-m", "stock_assets.cli"]
"""The command line as a module: behind it, unlike behind its script, ``json_program`` knows Python."""
WAREHOUSE_PORT = 8085


def code(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The code location, whose process also starts the runs."""
    check_account(settings)
    check_lake(settings)
    _prepare_dagster(settings)
    command = [sys.executable, "-m", "stock_assets.local.code_server", "-h", EVERYWHERE, "-p", str(CODE_PORT)]
    return [*command, "-m", "stock_assets.definitions", "--location-name", "stock_assets", *arguments]


def webserver(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Dagster's web server; the code location is at ``code``."""
    workspace = _prepare_dagster(settings)
    return ["dagster-webserver", "-h", EVERYWHERE, "-p", "3000", "-w", str(workspace), *arguments]


def daemon(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Dagster's daemon: sensors, schedules, queue, backfills."""
    check_account(settings)
    return ["dagster-daemon", "run", "-w", str(_prepare_dagster(settings)), *arguments]


def collector(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The collector of what the dashboard shows of the platform."""
    _prepare_dagster(settings)
    return [*PLATFORM, "collect", *arguments]


def metrics(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The exporter for Prometheus; it reads what the collector keeps in the folder that they share."""
    return [*PLATFORM, "metrics", "--address", EVERYWHERE, *arguments]


def alerts(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Alerts; what is still to be sent is in the folder that they share with the collector."""
    check_room(settings.local_dir)
    return [*PLATFORM, "alerts", "run", *arguments]


def dashboard(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """The dashboard; it reads the lake, and what the collector keeps in the folder that they share."""
    check_lake(settings)
    return [sys.executable, "-m", "stock_assets.dashboard.server", EVERYWHERE, *arguments]


def produce(_: Settings, arguments: Sequence[str]) -> list[str]:
    """A publisher, as ``stock-assets produce`` knows it."""
    return [*PLATFORM, "produce", *arguments]


def warehouse(_: Settings, arguments: Sequence[str]) -> list[str]:
    """The stand-in for Snowflake."""
    check_room(Path("/data"))
    command = [sys.executable, "-m", "stock_assets.local.warehouse_server", "--db-path", "/data/warehouse"]
    return [*command, "--host", EVERYWHERE, "--port", str(WAREHOUSE_PORT), *arguments]


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
    # Spark's own words for what a pod is to be
    "driver": spark_driver,
    "executor": spark_executor,
}


def _prepare_dagster(settings: Settings) -> Path:
    """Write Dagster's configuration and return that of its workspace. The three containers share the folder."""
    check_room(settings.local_dir)
    if settings.embedded_postgres:
        raise PermanentError("DAGSTER_PG_URL is not set: containers share one PostgreSQL")
    if settings.embedded_serving:
        raise PermanentError("SERVING_DATABASE_URL is not set; without tables for BI tools set SERVING=off")
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    workspace = home / "workspace.yaml"
    write_at_once(home / "dagster.yaml", configuration(settings))
    write_at_once(
        workspace, f"load_from:\n  - grpc_server: {{host: code, port: {CODE_PORT}, location_name: stock_assets}}\n"
    )
    os.environ |= {"DAGSTER_HOME": str(home), **EVENTS_TOGETHER}
    create_dagster_tables(settings, print)
    return workspace


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
