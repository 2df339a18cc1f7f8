"""settings -> the programs of all embedded services.

Belongs here: which there are, in which order; and those that need no more than a command.
Does not belong here: starting, waiting and stopping (``services``), and when one counts as ready (``readiness``).
"""

from __future__ import annotations

import sys

from stock_assets.json_lines import wanted
from stock_assets.local.dagster import dagster
from stock_assets.local.java import Java
from stock_assets.local.json_program import speaking
from stock_assets.local.kafka import kafka
from stock_assets.local.minio import program as minio_program
from stock_assets.local.postgres import postgres
from stock_assets.local.program import LOOPBACK, WITH_STORE_KEYS, Program
from stock_assets.local.spark import spark, spark_warm
from stock_assets.local.stream import stream
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import names_of_publishers, runs_fictional_market

PUBLISHER = "publisher-"
"""What the names of publishers begin with, as services."""


def programs(settings: Settings, java: Java) -> list[Program]:
    """All embedded services, in the order in which they are started and shown; publishers last."""
    every = [
        kafka(settings, java),
        *([postgres(settings)] if settings.runs_postgres else []),
        *([_minio(settings)] if settings.lake.store == "minio" else []),
        spark(settings, java),
        spark_warm(settings),
        _warehouse(settings),
        *dagster(settings),
        _collector(settings),
        _dashboard(settings),
        _metrics(settings),
        _alerts(settings),
        *([stream(settings, java)] if settings.live.stream else []),
        *(_publisher(settings, name) for name in names_of_publishers(settings)),
    ]
    return [speaking(settings, program) for program in every]


def _minio(settings: Settings) -> Program:
    port, data = settings.local.minio_port, settings.local_dir / "minio"
    command = [str(minio_program(settings)), "server", "--quiet", "--address", f"{LOOPBACK}:{port}", str(data)]
    # its console would listen on a port of its own choice, and it would ask the world for its newest version
    environment = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    command = [*WITH_STORE_KEYS, *command, *(["--json"] if wanted(settings) else [])]
    return Program("minio", command, data, ports={port: "MINIO_PORT"}, environment=environment)


def _warehouse(settings: Settings) -> Program:
    data, port = settings.local_dir / "warehouse", settings.local.warehouse_port
    command = [sys.executable, "-m", "stock_assets.local.warehouse_server", "--db-path", str(data), "--port", str(port)]
    return Program("warehouse", command, settings.home, ports={port: "WAREHOUSE_PORT"})


def _collector(settings: Settings) -> Program:
    command = [sys.executable, "-m", "stock_assets.cli", "collect"]
    return Program("collector", command, settings.home, environment={"DAGSTER_HOME": str(settings.dagster_home)})


def _dashboard(settings: Settings) -> Program:
    port = settings.local.dashboard_port
    command = [sys.executable, "-m", "stock_assets.dashboard.server"]
    return Program("dashboard", command, settings.home, ports={port: "DASHBOARD_PORT"})


def _metrics(settings: Settings) -> Program:
    command = [sys.executable, "-m", "stock_assets.cli", "metrics"]
    ports = {settings.local.metrics_port: "METRICS_PORT"}
    return Program("metrics", command, settings.home, ports=ports, started_last=True)


def _alerts(settings: Settings) -> Program:
    command = [sys.executable, "-m", "stock_assets.cli", "alerts", "run"]
    return Program("alerts", command, settings.home, started_last=True)


def _publisher(settings: Settings, name: str) -> Program:
    options = []
    if name == "simulator":
        # a disk holds what comes in weeks, or, when nobody asked for it, in years
        pace = ["--rate", "4", "--only-sessions"] if runs_fictional_market(settings) else ["--rate", "100"]
        options = ["--seconds", "0", *pace]
    return Program(
        PUBLISHER + name,
        [sys.executable, "-m", "stock_assets.cli", "produce", name, *options],
        settings.home,
        environment={"SYMBOLS": settings.values.get("SYMBOLS", "")},
        publisher=True,
    )
