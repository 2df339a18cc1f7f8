"""a session of Spark -> one for small builds.

Belongs here: what sets such a session apart. Does not belong here: which builds are small (``settings.spark``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL_BUILD = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
"""For few rows, compiling code and planning again cost more than they save."""


def fit_for_small_builds(session: SparkSession) -> SparkSession:
    """The session, with the settings for few rows."""
    for name, value in SMALL_BUILD.items():
        session.conf.set(name, value)
    return session
