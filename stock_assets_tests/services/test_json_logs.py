"""With LOG_FORMAT=json every line that the running services log is one JSON object, and no secret of ours is in any file."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest
from pyspark.sql import SparkSession

from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import SECRETS
from stock_assets.topic.topics import create_topics
from stock_assets_tests.conftest import free_ports, place
from stock_assets_tests.patience import wait_for

PLANTED = {name: f"planted-{name.lower().replace('_', '-')}-7f3a" for name in SECRETS if not name.startswith("ALERTS")}
TOKEN = "planted-alerts-token-7f3a"
STARTED = (
    "kafka",
    "postgres",
    "spark",
    "warehouse",
    "dagster-code",
    "dagster-webserver",
    "collector",
    "dashboard",
    "alerts",
)
OWN_WORDS = {"timestamp": "time", "error_severity": "level"}
"""PostgreSQL's names of the fields that ours call so."""
BEFORE_ITS_LOG = ("redirecting log output to logging collector process", "Future log output will appear in directory")
"""What PostgreSQL says, in text, before there is a log to write to."""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of services that speak JSON, have secrets, and have had something to complain about."""
    with pytest.MonkeyPatch.context() as patch:
        place(patch, tmp_path_factory.mktemp("local"))
        nobody = free_ports(1)[0]
        for name, text in {**PLANTED, "ALERTS_URL": f"json://user:{TOKEN}@127.0.0.1:{nobody}/"}.items():
            patch.setenv(name, text)
        patch.setenv("LOG_FORMAT", "json")
        patch.setenv("COLLECT_EVERY_S", "5")  # that the daemon does not run is soon worth an alert, which nobody takes
        patch.delenv("JDK_JAVA_OPTIONS")  # Java tells that it found them, before anything logs
        settings = Settings.load()
        services = Services(settings, print)
        try:
            services.up(list(STARTED))
            complain(settings)
            yield settings
        finally:
            services.down()


def complain(settings: Settings) -> None:
    """Ask the services for what they refuse, with a secret in the question."""
    secret = PLANTED["AWS_SECRET_ACCESS_KEY"]
    create_topics(settings.broker, 1)
    with socket.create_connection(("127.0.0.1", settings.local.kafka_port)) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")  # no request of Kafka's
        with suppress(OSError):
            raw.recv(1)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(
            host="127.0.0.1", port=settings.local.postgres_port, user="dagster", password=secret, dbname="dagster"
        )
    session = SparkSession.builder.remote(settings.spark_remote).create()
    with pytest.raises(Exception, match="DIVIDE_BY_ZERO"):
        session.conf.set("spark.sql.ansi.enabled", "true")
        session.sql("SELECT id / 0 FROM range(10)").collect()
    session.stop()
    with socket.create_connection(("127.0.0.1", settings.local.warehouse_port)) as raw:
        raw.sendall(b"no HTTP at all\r\n\r\n")
        raw.recv(100)
    wait_for(lambda: [file for file in logs(settings) if "division" in file.read_text().lower()], 60)
    wait_for(lambda: (settings.local_dir / "logs" / "alerts.log").stat().st_size, 120)


def logs(settings: Settings) -> list[Path]:
    """The files that services write: supervisor's of each, and PostgreSQL's own."""
    of_postgres = (settings.local_dir / "postgres" / "data" / "log").glob("*.json")
    return [*(settings.local_dir / "logs" / f"{name}.log" for name in STARTED), *of_postgres]


def test_every_line_is_an_object_with_time_and_level(logged: Settings) -> None:
    right, wrong = 0, []
    for file in logs(logged):
        for line in file.read_text().splitlines():
            if has_time_and_level(line):
                right += 1
            elif not (file.name == "postgres.log" and any(said in line for said in BEFORE_ITS_LOG)):
                wrong.append(f"{file.name}: {line}")
    assert not wrong, "\n".join(wrong)
    assert right >= 20
    written = {file.stem for file in logs(logged) if file.stat().st_size}
    assert written >= {"kafka", "spark", "warehouse", "dagster-code", "dagster-webserver", "dashboard", "alerts"}


def has_time_and_level(line: str) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return isinstance(told, dict) and {"time", "level", "message"} <= {OWN_WORDS.get(name, name) for name in told}


def test_what_went_wrong_is_in_them(logged: Settings) -> None:
    told = {file.stem: file.read_text() for file in logs(logged)}
    assert "DIVIDE_BY_ZERO" in told["spark"]
    assert any("password authentication failed" in text for text in told.values())


def test_no_secret_is_in_any_file(logged: Settings) -> None:
    files = [
        each
        for folder in ("logs", "run", "dagster", "postgres/data/log")
        for each in (logged.local_dir / folder).rglob("*")
    ]
    read = [each for each in files if each.is_file()]
    assert {"supervisord.conf", "supervisord.log", "spark.log"} <= {each.name for each in read}
    for each in read:
        held = each.read_bytes()
        for name, secret in {**PLANTED, "ALERTS_URL": TOKEN}.items():
            assert secret.encode() not in held, f"{name} is in {each}"


def test_no_secret_is_in_a_command_that_others_can_list(logged: Settings) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_text()
            assert not any(secret in command for secret in (*PLANTED.values(), TOKEN)), command


def test_passwords_that_are_made_here_are_their_owner_s_alone(logged: Settings) -> None:
    assert stat.S_IMODE(logged.postgres_passwords.stat().st_mode) == 0o600
