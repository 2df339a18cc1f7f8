"""settings -> resources of the assets.

Belongs here: thin resources that open what they stand for when it is first used, so that a process that does not need
Spark or Snowflake does not pay for their imports (2 and 10 CPU-seconds).
Does not belong here: what is done with them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from stock_assets.defs.storage import keep_connections
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.spark import SMALL_BUILD_ROWS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from snowflake.connector import SnowflakeConnection


class Lake(dg.ConfigurableResource[Any]):
    """The lake: a local folder or ``s3://bucket/prefix``."""

    root: str

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Start the embedded store when the lake lies on it and it does not run; a run's events go over kept connections."""
        if context.instance is not None and context.run is not None:
            keep_connections(context.instance)
        settings = Settings.load()
        if settings.lake.store == "minio" and self.root == settings.lake_root:
            _ensure(settings, "minio")


class ObjectStore(dg.ConfigurableResource[Any]):
    """S3 or MinIO, through ``dagster_aws.s3.S3Resource``; endpoint and keys come from the environment, not from here."""

    root: str
    _client: Any = PrivateAttr(default=None)

    def client(self) -> Any:
        """The client of boto3, made when first asked for."""
        if self._client is None:
            from dagster_aws.s3 import S3Resource

            self._client = S3Resource(max_attempts=3).get_client()
        return self._client

    def create_bucket(self) -> bool:
        """Create the lake's bucket (or folder) when it is missing; tells whether it was.

        Raises:
            ServiceUnavailable: the object store does not answer.
            PermanentError: it refuses the keys.
        """
        from stock_assets.lake import store

        return store.create_bucket(self.root, self.client() if store.is_s3(self.root) else None)


class Kafka(dg.ConfigurableResource[Any]):
    """The broker's address; what opens it comes from the environment, not from here."""

    bootstrap: str

    @property
    def broker(self) -> Broker:
        """The broker; the embedded one is started when it does not run.

        Raises:
            StockAssetsError: it cannot be started.
        """
        settings = Settings.load()
        if settings.embedded_kafka and settings.broker.bootstrap == self.bootstrap:
            _ensure(settings, "kafka")
        return Settings.load(KAFKA_BOOTSTRAP_SERVERS=self.bootstrap).broker


class Spark(dg.ConfigurableResource[Any]):
    """Spark Connect through ``dagster_pyspark.PySparkResource``: a session for large builds, and one for small builds."""

    remote: str
    small_remote: str
    _sessions: dict[bool, Any] = PrivateAttr(default_factory=dict)

    def session(self, rows: int) -> "SparkSession":
        """The session for a build that reads about so many rows; opened again after the server was started again.

        Raises:
            ServiceUnavailable: no Spark Connect server answers.
        """
        small = rows < SMALL_BUILD_ROWS
        if small in self._sessions and not _answers(self._sessions[small]):
            self.close()  # both were the same server's
        if small not in self._sessions:
            from spark.small_builds import fit_for_small_builds

            self._sessions[small] = (
                fit_for_small_builds(self._open(self.small_remote)) if small else self._open(self.remote)
            )
        session: SparkSession = self._sessions[small]
        return session

    def close(self) -> None:
        """Forget the open sessions; the server keeps them for all who share them, and a new one would refuse their names."""
        for session in self._sessions.values():
            session.release_session_on_close = False
            session.stop()
        self._sessions.clear()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Leave no client that would ask a server, which may be gone, to forget what it computed."""
        self.close()

    def _open(self, remote: str) -> "SparkSession":
        from dagster_pyspark import PySparkResource
        from pyspark.sql import SparkSession

        settings = Settings.load()
        if settings.embedded_spark and settings.shared_spark_remote == self.remote:
            _ensure(settings, "spark")
        if SparkSession.getActiveSession() is not None:  # another one, which the resource would hand out
            return SparkSession.builder.remote(remote).create()  # type: ignore[no-any-return]
        resource = PySparkResource(spark_config={"spark.remote": remote})
        with dg.build_resources({"pyspark": resource}) as opened:
            session: SparkSession = opened.pyspark.spark_session
        return session


class Warehouse(dg.ConfigurableResource[Any]):
    """Snowflake, or its embedded stand-in, through ``dagster_snowflake.SnowflakeResource``: settings alone differ."""

    @contextmanager
    def connect(self, tag: dict[str, Any] | None = None) -> Iterator["SnowflakeConnection"]:
        """A connection of the real connector, closed at the end.

        Args:
            tag: stored as JSON beside each query in the account's query history.

        Raises:
            ServiceUnavailable: the warehouse does not answer.
            PermanentError: it refuses; both texts name the account.
        """
        from dagster_snowflake import SnowflakeResource

        from stock_assets.warehouse.connect import failures_told, parameters

        settings = Settings.load()
        if settings.embedded_warehouse:
            _ensure(settings, "warehouse")
        given = parameters(settings.snowflake, tag)
        for field, argument in (
            ("private_key_path", "private_key_file"),
            ("private_key_password", "private_key_file_pwd"),
        ):
            if argument in given:
                given[field] = given.pop(argument)
        own = {name: given.pop(name) for name in list(given) if name in SnowflakeResource.model_fields}
        resource = SnowflakeResource(**own, additional_snowflake_connection_args=given)
        with ExitStack() as opened:
            with failures_told(settings.snowflake):
                connection = opened.enter_context(resource.get_connection())
            yield connection


def _answers(session: "SparkSession") -> bool:
    """Whether the server still knows the session; after it was started again it does not."""
    from grpc import RpcError
    from pyspark.errors import PySparkException

    try:
        return bool(session.version)
    except (PySparkException, RpcError):
        return False


def _ensure(settings: Settings, name: str) -> None:
    from stock_assets.local.on_demand import ensure

    ensure(settings, name)


def resources(settings: Settings) -> dict[str, Any]:
    """All resources, by the name assets ask for."""
    return {
        "lake": Lake(root=settings.lake_root),
        "store": ObjectStore(root=settings.lake_root),
        "kafka": Kafka(bootstrap=settings.broker.bootstrap),
        "spark": Spark(remote=settings.shared_spark_remote, small_remote=settings.small_spark_remote),
        "warehouse": Warehouse(),
    }
