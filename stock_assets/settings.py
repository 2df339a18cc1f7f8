"""environment and .env -> Settings.

Belongs here: every name the platform reads from the environment, its default and its unit; those of vendors with limits
and keys are in ``vendor_settings``, of judgement in ``quality_settings``.
Does not belong here: anything that opens a connection. No other module reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from dotenv import dotenv_values

from stock_assets.broker import Broker
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.universe import Universe, default_universe
from stock_assets.quality_settings import QualitySettings
from stock_assets.secret_files import secrets_of_files
from stock_assets.setting_values import Values
from stock_assets.vendor_settings import Vendors

PROJECT = Path(__file__).resolve().parent.parent

SHARED_SPARK_SESSION = "5b1c3d0e-6d0f-4e57-9f0a-2f3b6a1c7d42"

LOCAL_LAKE = "s3://stock-assets/lake"
LOCAL_KEY, LOCAL_SECRET = "stock-assets", "stock-assets-local"
"""Root of the lake on the embedded MinIO, and what opens that; it listens on loopback only."""


@dataclass(frozen=True)
class Snowflake:
    """Where the warehouse is: ``host`` set means the embedded stand-in, empty means Snowflake itself."""

    account: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    protocol: str
    database: str
    schema: str
    warehouse: str
    role: str


@dataclass(frozen=True)
class Settings(Values):
    """All settings of one process; read once, passed on, never changed. ``overrides``: of those that were loaded.

    Raises:
        PermanentError: a value cannot be read; the text names the variable.
    """

    overrides: Mapping[str, str] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, **overrides: str) -> Settings:
        """Read ``.env`` of the project, then the environment (which wins), then secrets' files, then ``overrides``.

        For a lake on S3, what its clients read from the environment themselves is put there.
        """
        stored = {name: value or "" for name, value in dotenv_values(PROJECT / ".env").items()}
        values = {**stored, **os.environ}
        settings = cls({**values, **secrets_of_files(values), **overrides}, overrides)
        os.environ.update(settings.s3_environment)
        return settings

    def now(self) -> Settings:
        """The settings of now, for a process that lives long: loaded ones are loaded again, given values stay."""
        return self if self.overrides is None else Settings.load(**self.overrides)

    @cached_property
    def local_dir(self) -> Path:
        """The one folder that holds everything local: jars, logs, lake, broker and warehouse data."""
        return Path(self.text("STOCK_ASSETS_LOCAL", str(PROJECT / ".local"))).resolve()

    @cached_property
    def jars_dir(self) -> Path:
        """Folder of the broker's and Spark's jars; apart from ``local_dir`` so that several of these can share one."""
        return Path(self.text("STOCK_ASSETS_JARS", str(self.local_dir / "jars"))).resolve()

    @cached_property
    def java_home(self) -> str:
        """A Java installation to prefer; empty means search ``search_path`` and the usual folders."""
        return self.text("JAVA_HOME")

    @cached_property
    def search_path(self) -> str:
        return self.text("PATH")

    @cached_property
    def ca_bundle(self) -> str:
        """PEM file of the authorities this machine trusts (a proxy's own among them); empty means the system's."""
        return self.text("SSL_CERT_FILE")

    @cached_property
    def https_proxy(self) -> str:
        return self.text("HTTPS_PROXY", self.text("https_proxy"))

    @cached_property
    def no_proxy(self) -> str:
        return self.text("NO_PROXY", self.text("no_proxy"))

    @cached_property
    def store(self) -> str:
        """What the lake lies on unless ``lake_root`` is set: ``folder``, or ``minio``, an embedded service."""
        return self.choice("STORE", ("folder", "minio"))

    @cached_property
    def minio_port(self) -> int:
        return self.whole("MINIO_PORT", 9000)

    @cached_property
    def lake_root(self) -> str:
        """Root of the lake: a local folder or ``s3://bucket/prefix``."""
        return self.text("LAKE_ROOT", LOCAL_LAKE if self.store == "minio" else str(self.local_dir / "lake"))

    @cached_property
    def lake_on_s3(self) -> bool:
        return self.lake_root.startswith("s3://")

    @cached_property
    def s3_endpoint(self) -> str:
        """URL of the object store; empty means Amazon's own."""
        return self.text("AWS_ENDPOINT_URL", f"http://127.0.0.1:{self.minio_port}" if self.store == "minio" else "")

    @cached_property
    def s3_environment(self) -> dict[str, str]:
        """The ``AWS_*`` variables of a lake on S3: those that are set, and what they and ``store`` imply."""
        if not self.lake_on_s3:
            return {}
        given = {name: text for name in self.values if name.startswith("AWS_") and (text := self.text(name))}
        # a commit is a put that is refused when the version exists already
        implied = {"AWS_CONDITIONAL_PUT": self.text("AWS_CONDITIONAL_PUT", "etag")}
        if self.s3_endpoint:
            # its clients ask for a region even where there is none; each reads another of the two names
            region = self.text("AWS_REGION", self.text("AWS_DEFAULT_REGION", "us-east-1"))
            implied |= {"AWS_ENDPOINT_URL": self.s3_endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        if self.s3_endpoint.startswith("http://"):
            implied["AWS_ALLOW_HTTP"] = self.text("AWS_ALLOW_HTTP", "true")
        if self.store == "minio":
            implied["AWS_ACCESS_KEY_ID"] = self.text("AWS_ACCESS_KEY_ID", LOCAL_KEY)
            implied["AWS_SECRET_ACCESS_KEY"] = self.text("AWS_SECRET_ACCESS_KEY", LOCAL_SECRET)
        return given | implied

    @cached_property
    def kafka_port(self) -> int:
        """Port of the embedded broker; its controller listens on the next one."""
        return self.whole("KAFKA_PORT", 9092)

    @cached_property
    def kafka_bootstrap(self) -> str:
        return self.text("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{self.kafka_port}")

    @cached_property
    def broker(self) -> Broker:
        return Broker.of(self, self.kafka_bootstrap)

    @cached_property
    def kafka_partitions(self) -> int:
        """Partitions of topics that are created here."""
        return self.whole("KAFKA_PARTITIONS", 3)

    @cached_property
    def spark_port(self) -> int:
        return self.whole("SPARK_PORT", 15002)

    @cached_property
    def spark_remote(self) -> str:
        """Spark Connect URL."""
        return self.text("SPARK_REMOTE", f"sc://127.0.0.1:{self.spark_port}")

    @cached_property
    def shared_spark_remote(self) -> str:
        """As ``spark_remote``, but on the embedded server always the same session: it keeps what it once compiled."""
        shared = f"sc://127.0.0.1:{self.spark_port}/;session_id={SHARED_SPARK_SESSION}"
        return self.text("SPARK_REMOTE", shared)

    @cached_property
    def warehouse_port(self) -> int:
        """Port of the embedded Snowflake stand-in."""
        return self.whole("WAREHOUSE_PORT", 8085)

    @cached_property
    def snowflake(self) -> Snowflake:
        account = self.text("SNOWFLAKE_ACCOUNT")
        embedded = not account
        return Snowflake(
            account=account or "local",
            user=self.text("SNOWFLAKE_USER", "local"),
            password=self.text("SNOWFLAKE_PASSWORD", "local"),
            host=self.text("SNOWFLAKE_HOST", "127.0.0.1" if embedded else ""),
            port=self.whole("SNOWFLAKE_PORT", self.warehouse_port if embedded else 443),
            protocol=self.text("SNOWFLAKE_PROTOCOL", "http" if embedded else "https"),
            database=self.text("SNOWFLAKE_DATABASE", "STOCKMARKETBATCH"),
            schema=self.text("SNOWFLAKE_SCHEMA", "PUBLIC"),
            warehouse=self.text("SNOWFLAKE_WAREHOUSE", "STOCK_ASSETS_XS"),
            role=self.text("SNOWFLAKE_ROLE"),
        )

    @cached_property
    def dagster_port(self) -> int:
        return self.whole("DAGSTER_PORT", 3000)

    @cached_property
    def dagster_home(self) -> Path:
        return self.local_dir / "dagster"

    @cached_property
    def dagster_pg_url(self) -> str:
        """PostgreSQL that holds Dagster's runs and events, its password in the URL; empty for SQLite in ``dagster_home``.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        url = self.text("DAGSTER_PG_URL")
        if not url:
            return ""
        wrong = PermanentError("DAGSTER_PG_URL must be postgresql://USER@HOST:PORT/DATABASE")  # not shown: a password
        try:
            parts = urlsplit(url)
            place = f"{parts.hostname}:{parts.port or 5432}"
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("postgresql", "postgresql+psycopg2") or not parts.hostname or not parts.username:
            raise wrong
        secret = self.text("DAGSTER_PG_PASSWORD", unquote(parts.password or ""))
        user = f"{parts.username}:{quote(secret, safe='')}" if secret else parts.username
        # the driver that Dagster is released with; newer versions of SQLAlchemy would take another one
        return urlunsplit(parts._replace(scheme="postgresql+psycopg2", netloc=f"{user}@{place}"))

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that publishers ask for: ``SYMBOLS``, else those of the universe today."""
        return self.names("SYMBOLS") or (self.universe or default_universe()).active(datetime.now(UTC).date())

    @cached_property
    def universe(self) -> Universe | None:
        """Symbols whose records are accepted, on their days; None for any. Others go into quarantine as ``unknown symbol``.

        Raises:
            PermanentError: the file is not there, or a row of it cannot be read.
        """
        text = self.text("UNIVERSE")
        if not text.lower().endswith(".csv"):
            return Universe.of_symbols(self.names("UNIVERSE")) if text else None
        try:
            return Universe.parse((PROJECT / text).read_text(), text)
        except OSError as broken:
            raise PermanentError(f"UNIVERSE: {text} cannot be read: {broken.strerror}") from broken

    @cached_property
    def first_session(self) -> str:
        """First partition (YYYY-MM-DD); no earlier than needed, every serialized partition set carries it."""
        return self.text("FIRST_SESSION", "2012-01-03")

    @cached_property
    def bar_sources(self) -> tuple[str, ...]:
        """Sources of daily bars, most trusted first; metrics use the first that a window has."""
        text = self.text("BAR_SOURCES", "recording,yahoo,alpha_vantage,simulator,yahoo_stream_ticks,yahoo_quotes_ticks")
        return tuple(s.strip() for s in text.split(",") if s.strip())

    @cached_property
    def landing_max_rows(self) -> int:
        """Rows of one commit at the most; with ``landing_max_bytes`` it bounds the memory of a drain."""
        return self.whole("LANDING_MAX_ROWS", 1_000_000)

    @cached_property
    def landing_max_bytes(self) -> int:
        """Payload bytes of one commit at the most."""
        return int(self.number("LANDING_MAX_MB", 64) * 1024 * 1024)

    @cached_property
    def landing_processes(self) -> int:
        """Processes that share the partitions of a long backlog; 0 for as many as processors."""
        return self.whole("LANDING_PROCESSES", 0) or os.cpu_count() or 1

    @cached_property
    def landing_min_rows(self) -> int:
        """A landing starts at once when this many records wait ..."""
        return self.whole("LANDING_MIN_ROWS", 100_000)

    @cached_property
    def landing_max_delay_s(self) -> float:
        """... or when records have waited for this many seconds; less for the embedded broker, where somebody watches."""
        return self.number("LANDING_MAX_DELAY_S", 30 if self.text("KAFKA_BOOTSTRAP_SERVERS") else 4)

    @cached_property
    def compaction_target_bytes(self) -> int:
        """Size that compaction of a raw table aims at for its files."""
        return int(self.number("COMPACTION_TARGET_MB", 128) * 1024 * 1024)

    @cached_property
    def compaction_min_files(self) -> int:
        """A session is compacted from this many small files of one Kafka partition on."""
        return self.whole("COMPACTION_MIN_FILES", 8)

    @cached_property
    def vacuum_keep_days(self) -> int:
        """Days that time travel in raw tables must still reach; 7 at least."""
        return self.whole("VACUUM_KEEP_DAYS", 7)

    @cached_property
    def automatic(self) -> bool:
        """Whether sensors run as soon as Dagster's daemon does."""
        return self.text("AUTOMATIC", "true").lower() not in ("0", "false", "no", "off")

    @cached_property
    def vendors(self) -> Vendors:
        """Settings of the vendors that are asked with a key and within limits."""
        return Vendors(self.values)

    @cached_property
    def quality(self) -> QualitySettings:
        """Settings of what is judged."""
        return QualitySettings(self.values)
