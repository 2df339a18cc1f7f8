"""settings -> whether a service answers.

Belongs here: the cheapest question to each service whose right answer means that it can be used.
Does not belong here: starting services (services.py), advice to the user (commands.py).
"""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.platform import Settings

LOOPBACK = "127.0.0.1"
ANSWER_S = 3.0


def port_open(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections at this port, of the loopback interface unless told otherwise."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S):
            return True
    except OSError:
        return False


def port_free(port: int) -> bool:
    """Whether a server could bind this port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def wait_for_port(port: int, deadline_s: float, host: str = LOOPBACK) -> None:
    """Return when the port accepts connections.

    Raises:
        ServiceUnavailable: it does not within ``deadline_s`` seconds.
    """
    end = time.monotonic() + deadline_s
    while not port_open(port, host):
        if time.monotonic() > end:
            raise ServiceUnavailable(f"Nothing answers at {host}:{port} after {deadline_s:.0f} s.")
        time.sleep(0.1)


def kafka(settings: Settings) -> bool:
    """Whether the broker answers for its cluster, not merely listens."""
    if not port_open(settings.local.kafka_port):
        return False
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{settings.local.kafka_port}", request_timeout_ms=3000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster().get("brokers"))
    except KafkaError:
        return False
    finally:
        admin.close()


def minio(settings: Settings) -> bool:
    """Whether MinIO says of itself that it can read and write."""
    return _get(f"http://{LOOPBACK}:{settings.local.minio_port}/minio/health/cluster") is not None


def spark(settings: Settings) -> bool:
    """Whether the Connect server listens; it does so only once its session exists."""
    return port_open(settings.local.spark_port)


def warehouse(settings: Settings) -> bool:
    """Whether the stand-in listens; it does so only once its databases are attached."""
    return port_open(settings.local.warehouse_port)


def postgres(settings: Settings) -> bool:
    """Whether the server lets Dagster in."""
    if not port_open(settings.local.postgres_port):
        return False
    import psycopg2

    try:
        psycopg2.connect(libpq(settings.dagster_pg_url), connect_timeout=int(ANSWER_S)).close()
    except psycopg2.Error:
        return False
    return True


def dagster_code(settings: Settings) -> bool:
    """Whether the code server listens; it does so only once the definitions are loaded."""
    return port_open(settings.local.dagster_port + 1)


def dagster_webserver(settings: Settings) -> bool:
    """Whether the web server answers with its version."""
    return b"dagster_version" in (_get(f"http://{LOOPBACK}:{settings.local.dagster_port}/server_info") or b"")


def dagster_daemon(settings: Settings) -> bool:
    """Whether every required daemon has a fresh heartbeat, as the web server tells it."""
    query = "{instance{daemonHealth{allDaemonStatuses{required healthy}}}}"
    try:
        found = json.loads(_post(settings, query))["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (ValueError, KeyError, TypeError):
        return False
    return all(each["healthy"] for each in found if each["required"])


def dashboard(settings: Settings) -> bool:
    """Whether the dashboard says of itself that it can draw pages."""
    return _get(f"http://{LOOPBACK}:{settings.local.dashboard_port}/_stcore/health") is not None


def metrics(settings: Settings) -> bool:
    """Whether the exporter listens."""
    return port_open(settings.local.metrics_port)


def code_location_error(settings: Settings) -> str:
    """First line of why Dagster could not load the definitions; empty when it could."""
    query = "{workspaceOrError{...on Workspace{locationEntries{name locationOrLoadError{...on PythonError{message}}}}}}"
    try:
        entries = json.loads(_post(settings, query))["data"]["workspaceOrError"]["locationEntries"]
    except (ValueError, KeyError, TypeError):
        return "the web server does not answer"
    messages = ((entry["locationOrLoadError"] or {}).get("message", "") for entry in entries)
    return next((message.strip().splitlines()[0] for message in messages if message.strip()), "")


def _post(settings: Settings, query: str) -> bytes:
    url = f"http://{LOOPBACK}:{settings.local.dagster_port}/graphql"
    return _get(url, json.dumps({"query": query}).encode()) or b""


def _get(url: str, body: bytes | None = None) -> bytes | None:
    """What is answered; None when nobody does, or with an error."""
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    try:
        with direct.open(request, timeout=ANSWER_S) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def libpq(url: str) -> str:
    """A URL of SQLAlchemy as PostgreSQL's own library reads it."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def listens(settings: Settings, name: str) -> bool:
    """Whether something listens where the embedded service ``name`` would; asked often, so no more than that."""
    return port_open(settings.local.ports[name])


READY: dict[str, Callable[[Settings], bool]] = {
    "kafka": kafka,
    "postgres": postgres,
    "minio": minio,
    "spark": spark,
    "warehouse": warehouse,
    "dagster-code": dagster_code,
    "dagster-webserver": dagster_webserver,
    "dagster-daemon": dagster_daemon,
    "collector": lambda _: True,  # that it runs is all: what it found is told with its age
    "dashboard": dashboard,
    "metrics": metrics,
    "alerts": lambda _: True,  # that it runs is all: what it cannot send is a fact
    "stream": lambda _: True,  # likewise
}
