"""raw ticks as a stream -> Spark's own sliding windows of an hour: what the stream of windows is compared with.

Run by ``live_windows.py`` as a driver of its own. Writes how many ticks it has taken so far to the file it is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def main(table: str, folder: str) -> None:
    """Aggregate until the process is ended."""
    spark = SparkSession.builder.appName("direct windows").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    ticks = spark.readStream.format("delta").option("skipChangeCommits", "true").load(table)
    windows = (
        ticks.where("rejected_because IS NULL")
        .withWatermark("event_time", "5 minutes")
        .groupBy(F.window("event_time", "60 minutes", "1 minute"), "symbol", "source")
        .agg(
            F.avg("price"), F.max("price"), F.min("price"), F.stddev_samp("price"), F.sum("size"), F.count("*"),
            F.sum(F.col("price") * F.col("size")),
        )
    )  # fmt: skip

    def take(batch: DataFrame, number: int) -> None:
        batch.write.format("noop").mode("append").save()
        Path(folder, "batches").write_text(str(number))

    windows.writeStream.outputMode("update").foreachBatch(take).option(
        "checkpointLocation", f"{folder}/checkpoint"
    ).trigger(processingTime="5 seconds").start().awaitTermination()


if __name__ == "__main__":
    main(*sys.argv[1:])
