"""a just started Spark Connect server -> one whose first real query is quick.

Belongs here: one small Delta write and read, so that classes are loaded and compiled before anyone waits.
Does not belong here: anything whose result matters. Runs once, under supervisor, after each start of Spark.
"""

from __future__ import annotations

import shutil

from local.readiness import wait_for_port
from stock_assets.settings import Settings

START_DEADLINE_S = 120


def warm(settings: Settings) -> int:
    """Write and read a small Delta table; returns the number of rows read back."""
    wait_for_port(settings.spark_port, START_DEADLINE_S)
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    folder = settings.local_dir / "spark" / "warm"
    shutil.rmtree(folder, ignore_errors=True)
    # Not stopped: that would close the session for all who share it.
    spark = SparkSession.builder.remote(settings.shared_spark_remote).getOrCreate()
    rows = spark.range(2000).withColumn("key", f.col("id") % 7).groupBy("key").agg(f.sum("id").alias("total"))
    rows.write.format("delta").mode("overwrite").save(folder.as_uri())
    return len(spark.read.format("delta").load(folder.as_uri()).collect())


if __name__ == "__main__":
    print(f"warm: {warm(Settings.load())} rows")
