"""names and texts -> settings of Spark.

Belongs here: where Spark Connect is, and which builds are small (``spark.small_builds`` fits a session for them).
Does not belong here: what it builds (``spark/``).
"""

from __future__ import annotations

from stock_assets.settings.owner import Owner, setting

SHARED_SESSION = "5b1c3d0e-6d0f-4e57-9f0a-2f3b6a1c7d42"
"""The session of the embedded server for large builds: it keeps what it once compiled."""
SMALL_SESSION = "a3d8f6c2-0b7e-4c1d-8e35-6f1c9b2d7a10"
"""The session of the embedded server for small builds."""
SMALL_BUILD_ROWS = 100_000
"""Rows to read below which a build is a small one; where both take as long is measured by ``benchmarks/cold_spark.py``."""


class SparkSettings(Owner):
    """Where Spark is."""

    remote: str = setting("SPARK_REMOTE", "", "Spark Connect URL", shown="embedded", example="sc://127.0.0.1:15002")
    metrics_port: int | None = setting(
        "SPARK_METRICS_PORT",
        None,
        "port at which Spark tells Prometheus of its jobs and memory, with Spark's web UI; the stream takes the next one, too",
        shown="none",
        ge=1,
        le=65_534,
    )

    @property
    def stream_metrics_port(self) -> int | None:
        """Where the stream's driver tells, beside which the server tells, too."""
        return None if self.metrics_port is None else self.metrics_port + 1
