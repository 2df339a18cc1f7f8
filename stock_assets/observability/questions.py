"""settings -> whether each service that they name can be used.

Belongs here: one question per kind of service, the same for an embedded one and for one elsewhere: with our login, and
answered or refused within seconds. It returns, or raises a sentence.
Does not belong here: whether an embedded service runs (``services``), and the cheaper questions of its start (``local.readiness``).
"""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.local.readiness import libpq
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.serving import LOADER
from stock_assets.settings.warehouse import Snowflake

CONNECT_S = 3.0
ANSWER_S = 6.0


@dataclass(frozen=True)
class Question:
    """What is asked of a service.

    Attributes:
        name: of the service; for an embedded one, that of its program.
        where: its address, without login.
        setting: the variable that names it; empty for an embedded one.
        ask: returns when it can be used, raises a ``StockAssetsError`` otherwise.
        modules: what asking imports. Threads that import at the same time see each other's modules half made.
    """

    name: str
    where: str
    setting: str
    ask: Callable[[], object]
    modules: tuple[str, ...] = ()


def questions(settings: Settings) -> list[Question]:
    """A question for each service that the settings name, those of the embedded ones included; Dagster's own are not here."""
    broker, snowflake, remote = settings.broker, settings.snowflake, settings.spark_remote
    bootstrap = "" if settings.embedded_kafka else "KAFKA_BOOTSTRAP_SERVERS"
    account = "" if settings.embedded_warehouse else "SNOWFLAKE_HOST" if snowflake.host else "SNOWFLAKE_ACCOUNT"
    place = f"{snowflake.host}:{snowflake.port}" if snowflake.host else f"account {snowflake.account}"
    spark = urlsplit(remote).netloc or remote
    found = [Question("kafka", broker.bootstrap, bootstrap, lambda: ask_kafka(broker), ("kafka.admin",))]
    if settings.lake_on_s3:
        embedded = settings.lake.store == "minio" and not settings.lake.endpoint
        where, root = settings.s3_endpoint or "Amazon", settings.lake_root
        name, setting = ("minio", "") if embedded else ("object store", "LAKE_ROOT and AWS_ENDPOINT_URL")
        found.append(Question(name, where, setting, lambda: ask_store(root), ("boto3",)))
    found += [
        Question("spark", spark, "" if settings.embedded_spark else "SPARK_REMOTE", lambda: ask_spark(remote),
                 ("pandas", "pyarrow.dataset", "pyspark.sql.connect.session")),
        Question("warehouse", place, account, lambda: ask_warehouse(snowflake), ("pandas", "snowflake.connector")),
    ]  # fmt: skip
    url, named = settings.dagster_pg_url, "" if settings.embedded_postgres else "DAGSTER_PG_URL"
    database = urlsplit(url)
    where = f"{database.hostname}:{database.port}{database.path}"
    found.append(Question("postgres", where, named, lambda: ask_postgres(url, where), ("psycopg2",)))
    if settings.serving.on and settings.serving.url:
        database = urlsplit(settings.serving_url(LOADER))
        place = f"{database.hostname}:{database.port}{database.path}"
        found.append(Question("serving", place, "SERVING_DATABASE_URL", lambda: ask_serving(settings), ("psycopg",)))
    return found


def import_for(asked: Iterable[Question]) -> None:
    """Import what asking needs, one after the other."""
    for module in dict.fromkeys(module for question in asked for module in question.modules):
        importlib.import_module(module)


def ask_kafka(broker: Broker) -> None:
    """Return when the broker answers for its cluster, not merely listens."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    from stock_assets.topic.clients import connected

    _reach(broker.bootstrap.split(","), "Kafka broker")
    timeouts = {"request_timeout_ms": int(ANSWER_S * 1000), "bootstrap_timeout_ms": int(ANSWER_S * 1000)}
    admin = connected(KafkaAdminClient, broker, **timeouts)
    try:
        if not admin.describe_cluster().get("brokers"):
            raise ServiceUnavailable(f"the cluster at {broker} has no broker")
    except KafkaError as broken:
        raise ServiceUnavailable(f"Kafka at {broker} does not answer: {broken}") from broken
    finally:
        admin.close()


def ask_store(root: str) -> None:
    """Return when the object store lets us in; that the lake's bucket is missing is no fault, the first landing makes it."""
    from stock_assets.lake import store

    store.ask(root, store.connect(CONNECT_S, attempts=1))


def ask_spark(remote: str) -> None:
    """Return when a query is answered: a port may be open in a server that hangs."""
    from grpc import RpcError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    address = urlsplit(remote).netloc
    _reach([address], "Spark Connect server")
    try:
        session = SparkSession.builder.remote(remote).create()
        try:
            if session.range(3).count() != 3:
                raise ServiceUnavailable(f"the Spark Connect server at {address} cannot count to 3")
        finally:
            session.stop()
    except (PySparkException, RpcError) as broken:
        said = str(broken).strip().splitlines()[:1] or [type(broken).__name__]
        raise ServiceUnavailable(f"the Spark Connect server at {address} does not answer: {said[0]}") from broken


def ask_warehouse(snowflake: Snowflake) -> None:
    """Return when the account, or the stand-in, takes our login and answers a query."""
    from snowflake import connector

    from stock_assets.warehouse.connect import failures_told, parameters

    if snowflake.host:
        _reach([f"{snowflake.host}:{snowflake.port}"], "warehouse")
    impatient = {"login_timeout": int(ANSWER_S), "network_timeout": int(ANSWER_S)}
    given = parameters(snowflake) | impatient
    with failures_told(snowflake), connector.connect(**given) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def ask_postgres(url: str, where: str) -> None:
    """Return when Dagster's database takes our login."""
    import psycopg2

    try:
        psycopg2.connect(libpq(url), connect_timeout=int(CONNECT_S)).close()
    except psycopg2.Error as broken:
        said = str(broken).strip().splitlines()[:1] or [type(broken).__name__]
        raise ServiceUnavailable(f"PostgreSQL at {where} does not let us in: {said[0]}") from None


def ask_serving(settings: Settings) -> None:
    """Return when the database for BI tools takes our login."""
    from stock_assets.serving.connect import connection

    with connection(settings):
        pass


def _reach(addresses: Iterable[str], kind: str) -> None:
    """Return when one of these takes a connection: clients try again for long where nobody listens."""
    told = ""
    for address in addresses:
        place = urlsplit(f"//{address.strip()}")
        try:
            with socket.create_connection((place.hostname or "", place.port or 0), timeout=CONNECT_S):
                return
        except (OSError, ValueError) as refused:
            told = f"{address.strip()} ({refused})"
    raise ServiceUnavailable(f"no {kind} answers at {told}")
