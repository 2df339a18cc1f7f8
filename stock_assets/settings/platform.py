"""environment and .env -> Settings.

Belongs here: where settings come from, and what follows from several owners together, such as that a broker which is not
named is the embedded one at its port.
Does not belong here: names, defaults and units (one module for each owner), and anything that opens a connection.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from stock_assets.domain.universe import Universe
from stock_assets.settings.alerts import AlertSettings
from stock_assets.settings.dashboard import DashboardSettings
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.kafka import Broker, KafkaSettings
from stock_assets.settings.lake import LakeSettings, absolute
from stock_assets.settings.landing import LandingSettings
from stock_assets.settings.lineage import LineageSettings
from stock_assets.settings.live import LiveSettings
from stock_assets.settings.local import LocalSettings
from stock_assets.settings.market import MarketSettings
from stock_assets.settings.orchestration import DagsterSettings
from stock_assets.settings.owner import Owner
from stock_assets.settings.quality import QualitySettings
from stock_assets.settings.secret_files import secrets_of_files
from stock_assets.settings.serving import ServingSettings
from stock_assets.settings.spark import SHARED_SESSION, SMALL_SESSION, SparkSettings
from stock_assets.settings.vendors import VendorSettings
from stock_assets.settings.warehouse import Snowflake, WarehouseSettings

HOME = "STOCK_ASSETS_HOME"
OWNERS: dict[str, type[Owner]] = {
    "local": LocalSettings,
    "lake": LakeSettings,
    "kafka": KafkaSettings,
    "landing": LandingSettings,
    "dagster": DagsterSettings,
    "spark": SparkSettings,
    "live": LiveSettings,
    "warehouse": WarehouseSettings,
    "serving": ServingSettings,
    "market": MarketSettings,
    "quality": QualitySettings,
    "vendors": VendorSettings,
    "dashboard": DashboardSettings,
    "alerts": AlertSettings,
    "lineage": LineageSettings,
}
"""The model of each owner, by the attribute of ``Settings`` that has it."""


@dataclass(frozen=True)
class Settings:
    """All settings of one process; read once, passed on, never changed. Each owner's are read when first asked for.

    Attributes:
        values: what is set, by name.
        overrides: of settings that were loaded, what was given beside the environment; else None.

    Raises:
        PermanentError: a value cannot be read; the text names the variable.
    """

    values: Mapping[str, str] = field(repr=False)  # secrets are among them
    overrides: Mapping[str, str] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, **overrides: str) -> Settings:
        """Read ``.env`` of ``STOCK_ASSETS_HOME``, else of the working directory; then the environment, then the files that
        ``NAME_FILE`` names for secrets, then ``overrides``.

        What comes later wins. Nothing is written into the environment.

        Raises:
            PermanentError: ``.env`` or a secret's file cannot be read; the text names the line or the variable.
        """
        given = {**os.environ, **overrides}
        stored = read_env_file(_home(given) / ".env", os.environ)
        from_files = secrets_of_files({**stored, **os.environ})
        return cls({**stored, **os.environ, **from_files, **overrides, HOME: str(_home(given))}, overrides)

    def now(self) -> Settings:
        """The settings of now, for a process that lives long: loaded ones are loaded again, given values stay."""
        return self if self.overrides is None else Settings.load(**self.overrides)

    @cached_property
    def home(self) -> Path:
        """The folder that ``.env`` and ``.local`` are in, and where relative paths begin."""
        return _home(self.values)

    @cached_property
    def local(self) -> LocalSettings:
        return LocalSettings.of(self.values)

    @cached_property
    def lake(self) -> LakeSettings:
        return LakeSettings.of(self.values)

    @cached_property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings.of(self.values)

    @cached_property
    def landing(self) -> LandingSettings:
        return LandingSettings.of(self.values)

    @cached_property
    def dagster(self) -> DagsterSettings:
        return DagsterSettings.of(self.values)

    @cached_property
    def spark(self) -> SparkSettings:
        return SparkSettings.of(self.values)

    @cached_property
    def live(self) -> LiveSettings:
        return LiveSettings.of(self.values)

    @cached_property
    def warehouse(self) -> WarehouseSettings:
        return WarehouseSettings.of(self.values)

    @cached_property
    def serving(self) -> ServingSettings:
        return ServingSettings.of(self.values)

    @cached_property
    def market(self) -> MarketSettings:
        return MarketSettings.of(self.values)

    @cached_property
    def quality(self) -> QualitySettings:
        return QualitySettings.of(self.values)

    @cached_property
    def vendors(self) -> VendorSettings:
        return VendorSettings.of(self.values)

    @cached_property
    def dashboard(self) -> DashboardSettings:
        return DashboardSettings.of(self.values)

    @cached_property
    def alerts(self) -> AlertSettings:
        return AlertSettings.of(self.values)

    @cached_property
    def lineage(self) -> LineageSettings:
        return LineageSettings.of(self.values)

    @cached_property
    def local_dir(self) -> Path:
        """The one folder that holds everything local: jars, logs, lake, broker and warehouse data.

        Of a home with % in its name, which delta-rs and SQLAlchemy take for an escape, it is below the user's own folder.
        """
        if not self.local.folder and "%" in str(self.home):
            of_home = hashlib.sha256(str(self.home).encode()).hexdigest()[:8]
            return Path.home() / ".local" / "share" / "stock_assets" / f"{self.home.name.replace('%', '_')}-{of_home}"
        return absolute(self.local.folder or ".local", self.home)

    @cached_property
    def jars_dir(self) -> Path:
        """Folder of the broker's and Spark's jars; apart from ``local_dir`` so that several of these can share one."""
        return absolute(self.local.jars, self.home) if self.local.jars else self.local_dir / "jars"

    @cached_property
    def lake_root(self) -> str:
        """Root of the lake: an absolute folder or ``s3://bucket/prefix``."""
        return self.lake.absolute_root(self.home, self.local_dir)

    @cached_property
    def lake_on_s3(self) -> bool:
        return self.lake_root.startswith("s3://")

    @cached_property
    def s3_endpoint(self) -> str:
        """URL of the object store; empty means Amazon's own."""
        embedded = f"http://127.0.0.1:{self.local.minio_port}" if self.lake.store == "minio" else ""
        return self.lake.endpoint or embedded

    @cached_property
    def embedded_kafka(self) -> bool:
        """Whether the broker is the embedded one."""
        return not self.kafka.bootstrap

    @cached_property
    def broker(self) -> Broker:
        bootstrap = self.kafka.bootstrap or f"127.0.0.1:{self.local.kafka_port}"
        return self.kafka.broker(bootstrap, self.local.ca_bundle)

    @cached_property
    def embedded_spark(self) -> bool:
        """Whether Spark is the embedded one."""
        return not self.spark.remote

    @cached_property
    def spark_remote(self) -> str:
        """Spark Connect URL."""
        return self.spark.remote or f"sc://127.0.0.1:{self.local.spark_port}"

    @cached_property
    def shared_spark_remote(self) -> str:
        """As ``spark_remote``, but on the embedded server always the same session: it keeps what it once compiled."""
        return self.spark.remote or f"sc://127.0.0.1:{self.local.spark_port}/;session_id={SHARED_SESSION}"

    @cached_property
    def small_spark_remote(self) -> str:
        """As ``shared_spark_remote``, for the session of small builds."""
        return self.spark.remote or f"sc://127.0.0.1:{self.local.spark_port}/;session_id={SMALL_SESSION}"

    @cached_property
    def embedded_warehouse(self) -> bool:
        """Whether the warehouse is the embedded stand-in."""
        return not self.warehouse.account and not self.warehouse.host

    @cached_property
    def metered_warehouse(self) -> bool:
        """Whether a query wakes a warehouse that is paid for by the minute: that of an account at Snowflake."""
        host = self.warehouse.host
        return bool(self.warehouse.account) and (not host or host.endswith(".snowflakecomputing.com"))

    @cached_property
    def snowflake(self) -> Snowflake:
        return self.warehouse.place(self.local.warehouse_port)

    @cached_property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its records."""
        return absolute(self.dagster.home, self.home) if self.dagster.home else self.local_dir / "dagster"

    @cached_property
    def embedded_postgres(self) -> bool:
        """Whether Dagster's runs and events are in the embedded PostgreSQL."""
        return not self.dagster.pg_url

    @cached_property
    def embedded_serving(self) -> bool:
        """Whether BI tools read the embedded PostgreSQL."""
        return self.serving.on and not self.serving.url

    @cached_property
    def runs_postgres(self) -> bool:
        """Whether the embedded PostgreSQL is needed for any of both."""
        return self.embedded_postgres or self.embedded_serving

    def serving_url(self, role: str) -> str:
        """PostgreSQL that BI tools read, for one of its roles; the embedded one's password is in the file that it names.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        if self.serving.url:
            return self.serving.address(role)
        place = f"{role}@127.0.0.1:{self.local.postgres_port}/serving"
        return f"postgresql://{place}?passfile={quote(str(self.postgres_passwords))}"

    @cached_property
    def postgres_passwords(self) -> Path:
        """The embedded PostgreSQL's passwords, one a line, as libpq reads them; its data is beside it."""
        return self.local_dir / "postgres" / "passwords"

    @cached_property
    def dagster_pg_url(self) -> str:
        """PostgreSQL that holds Dagster's runs and events; an own server's password is in it, the embedded one's is not.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        if not self.embedded_postgres:
            return self.dagster.postgres_url()
        place = f"dagster@127.0.0.1:{self.local.postgres_port}/dagster"
        return f"postgresql+psycopg2://{place}?passfile={quote(str(self.postgres_passwords))}"

    @cached_property
    def symbols(self) -> Sequence[str]:
        """Symbols that publishers ask for."""
        return self.market.symbols(self.universe)

    @cached_property
    def universe(self) -> Universe | None:
        """Symbols whose records are accepted, on their days; None for any."""
        return self.market.universe(self.home)


def _home(values: Mapping[str, str]) -> Path:
    return Path(values.get(HOME, "").strip() or ".").expanduser().resolve()
