"""names and texts -> settings of Spark.

Belongs here: where Spark Connect is. Does not belong here: what it builds (``spark/``).
"""

from __future__ import annotations

from stock_assets.settings.owner import Owner, setting

SHARED_SESSION = "5b1c3d0e-6d0f-4e57-9f0a-2f3b6a1c7d42"
"""The one session of the embedded server: it keeps what it once compiled."""


class SparkSettings(Owner):
    """Where Spark is."""

    remote: str = setting("SPARK_REMOTE", "", "Spark Connect URL", shown="embedded", example="sc://127.0.0.1:15002")
