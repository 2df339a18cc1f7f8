"""names and texts -> settings of this machine and of the embedded services.

Belongs here: folders and ports of what runs locally, and what Java and the network need to know of this machine.
Does not belong here: starting anything (``stock_assets.local``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from stock_assets.settings.owner import Lower, Owner, setting

PORT: dict[str, Any] = {"ge": 1, "le": 65_534}


class LocalSettings(Owner):
    """Folders, ports and programs of the embedded services."""

    folder: str = setting("STOCK_ASSETS_LOCAL", "", "folder of all local data", shown="`.local`", example=".local")
    jars: str = setting("STOCK_ASSETS_JARS", "", "folder of the jars", shown="`.local/jars`", example=".local/jars")
    kafka_port: int = setting("KAFKA_PORT", 9092, "port of the embedded broker, which takes the next one, too", **PORT)
    spark_port: int = setting("SPARK_PORT", 15002, "port of the embedded Spark Connect server", **PORT)
    warehouse_port: int = setting("WAREHOUSE_PORT", 8085, "port of the embedded warehouse", **PORT)
    dagster_port: int = setting("DAGSTER_PORT", 3000, "port of Dagster's UI, which takes the next one, too", **PORT)
    minio_port: int = setting("MINIO_PORT", 9000, "port of the embedded MinIO", **PORT)
    dashboard_port: int = setting("DASHBOARD_PORT", 8501, "port of the dashboard", **PORT)
    postgres_port: int = setting("POSTGRES_PORT", 15432, "port of the embedded PostgreSQL", **PORT)
    metrics_port: int = setting("METRICS_PORT", 9108, "port of the metrics for Prometheus", **PORT)
    log_format: Annotated[Literal["text", "json"], Lower] = setting(
        "LOG_FORMAT", "text", "`json`: services write one JSON object per line"
    )
    log_mb: float = setting("LOG_MB", 5.0, "size at which a service's log becomes its `.1`, in MB", gt=0)
    log_files: int = setting("LOG_FILES", 2, "older parts of a service's log that are kept", ge=0)
    log_keep_days: int = setting(
        "LOG_KEEP_DAYS", 30, "days that logs are kept which nobody writes to any more; 0 for ever", ge=0
    )
    java_home: str = setting("JAVA_HOME", "", "a Java installation to prefer", listed=False)
    search_path: str = setting("PATH", "", "where programs are searched", listed=False)
    ca_bundle: str = setting("SSL_CERT_FILE", "", "PEM file of the authorities this machine trusts", listed=False)
    https_proxy: str = setting("HTTPS_PROXY", "", "proxy for https", listed=False)
    https_proxy_lower: str = setting("https_proxy", "", "the same, as other programs spell it", listed=False)
    no_proxy: str = setting("NO_PROXY", "", "hosts that are reached without the proxy", listed=False)
    no_proxy_lower: str = setting("no_proxy", "", "the same, as other programs spell it", listed=False)
    dagster_dev: bool = setting("DAGSTER_IS_DEV_CLI", False, "set by `dagster dev` for what it starts", listed=False)
    container: bool = setting("STOCK_ASSETS_CONTAINER", False, "set by our images", listed=False)
    service: str = setting("STOCK_ASSETS_SERVICE", "", "the embedded service that this process is", listed=False)

    @property
    def ports(self) -> dict[str, int]:
        """Where each embedded service listens, by its name; those that do not listen are not in it."""
        return {
            "kafka": self.kafka_port,
            "minio": self.minio_port,
            "spark": self.spark_port,
            "warehouse": self.warehouse_port,
            "postgres": self.postgres_port,
            "dagster-code": self.dagster_port + 1,
            "dagster-webserver": self.dagster_port,
            "dashboard": self.dashboard_port,
            "metrics": self.metrics_port,
        }

    @property
    def proxy(self) -> str:
        """The proxy for https in either spelling; empty for none."""
        return self.https_proxy or self.https_proxy_lower

    @property
    def direct_hosts(self) -> str:
        """Hosts that are reached without it, in either spelling."""
        return self.no_proxy or self.no_proxy_lower
