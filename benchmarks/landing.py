"""a topic of ticks -> files: the landing beside a bare consume (the limit), Spark Structured Streaming and kafka-python.

Each contender is a process of its own, so that its peak memory and CPU are its own (Spark's are the server's, warm); all
read the same topic in one run. Only the landing checks every record, keeps the bad ones, and proves that none is missing.

Run: python benchmarks/landing.py [RECORDS [PARTITIONS [CONTENDER...]]], of limit, landing, shared, spark, csv
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from children import Children
from own_services import machine, own_services

from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.lake.tables import table_uri
from stock_assets.local.services import Services
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS, create_topics, topic_state

RECORDS = 1_000_000
DAYS = sessions_between(date(2025, 6, 23), date(2025, 6, 27))
SYMBOLS = [f"S{number:03}" for number in range(100)]


def main(records: int, partitions: int = 3, contenders: Sequence[str] = ()) -> None:
    """Fill the topic, run each contender, print the table."""
    chosen = contenders or list(LABELS)
    with own_services(["kafka", *(["spark"] if "spark" in chosen else [])]) as settings:
        create_topics(settings.broker, partitions)
        payload_bytes = _fill(settings.broker, records)
        print(
            f"\nlanding of {records:,} ticks, {payload_bytes / records:.0f} bytes each, {partitions} partitions, "
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
        )
        columns = ("wall s", "CPU s", "records/CPU-s", "peak MiB", "files", "MiB")
        print(f"{'':<34}" + "".join(f"{column:>15}" for column in columns))
        for name in chosen:
            label = LABELS[name]
            command = [sys.executable, __file__, name, str(records)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            if found["records"] != records:
                raise SystemExit(f"{label}: read {found['records']:,} of {records:,} records")
            shown = (
                f"{found['wall']:.2f}",
                f"{found['cpu']:.2f}",
                f"{records / found['cpu']:,.0f}",
                f"{found['peak_mib']:.0f}",
                f"{found['files']}",
                f"{found['file_bytes'] / 1024**2:.1f}",
            )
            print(f"{label:<34}" + "".join(f"{value:>15}" for value in shown), flush=True)


def contend(name: str, records: int) -> None:
    """One contender in this process; prints what it took, imports and start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load()
        work = CONTENDERS[name](settings, Path(folder), records)
        elsewhere = _spark_usage if name == "spark" else lambda _: (0.0, 0.0)
        wall, cpu, theirs = time.perf_counter(), time.process_time(), elsewhere(settings)[0]
        with Children() as children:
            count = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu + children.cpu_s
        spent, server_mib = elsewhere(settings)
        cpu += spent - theirs
        files = [f for f in Path(folder).rglob("*") if f.suffix in (".parquet", ".csv")]
        found = {
            "records": count,
            "wall": wall,
            "cpu": cpu,
            "peak_mib": server_mib or children.peak_mib or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "files": len(files),
            "file_bytes": sum(file.stat().st_size for file in files),
        }
    print(json.dumps(found))


def _landing(settings: Settings, folder: Path, records: int, processes: int = 1) -> Callable[[], int]:
    import confluent_kafka  # noqa: F401
    import deltalake  # noqa: F401
    import kafka.admin  # noqa: F401
    import pandas  # noqa: F401  (pyarrow does, at the first list it is given)
    import pyarrow.parquet  # noqa: F401

    from stock_assets.domain.session_index import place
    from stock_assets.landing.commit import land
    from stock_assets.landing.prepare import Limits

    place(np.zeros(1, dtype=np.int64))  # reads the calendar

    limits = Limits(settings.landing.max_rows, settings.landing.max_bytes, processes)

    def work() -> int:
        landings = list(land(str(folder), settings.broker, TICKS, limits))
        assert Path(table_uri(str(folder), TICKS.table)).is_dir()
        assert not sum(landing.rejected for landing in landings)
        return sum(landing.accepted for landing in landings)

    return work


def _bare_consume(settings: Settings, folder: Path, records: int) -> Callable[[], int]:
    """librdkafka to Python objects, offsets read, records thrown away."""
    from confluent_kafka import Consumer, TopicPartition

    state = topic_state(settings.broker, TICKS)
    assert state is not None
    consumer = Consumer(
        {
            **settings.broker.librdkafka(),
            "group.id": "bare",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
        }
    )

    def work() -> int:
        consumer.assign([TopicPartition(TICKS.name, partition, 0) for partition in state.end])
        offsets = 0
        count = 0
        while count < records:
            for message in consumer.consume(500, timeout=1):
                if message.error() is None:
                    offsets += message.offset() + len(message.value())
                    count += 1
        return count

    return work


def _kafka_python(settings: Settings, folder: Path, records: int) -> Callable[[], int]:
    """As tutorials do it: poll, ``json.loads``, a CSV row per record."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        TICKS.name,
        **settings.broker.kafka_python(),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )

    def work() -> int:
        count = 0
        with (folder / "ticks.csv").open("w", newline="") as lines:
            writer = csv.writer(lines)
            for record in consumer:
                tick: dict[str, Any] = json.loads(record.value)
                writer.writerow([record.partition, record.offset, *tick.values()])
                count += 1
                if count == records:
                    break
        return count

    return work


def _spark_streaming(settings: Settings, folder: Path, records: int) -> Callable[[], int]:
    """Kafka to a Delta table in one ``availableNow`` query, as Spark's own guide shows it; warmed by a first, empty one."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    spark = SparkSession.builder.remote(settings.shared_spark_remote).getOrCreate()
    fields = (
        "symbol STRING, event_time LONG, price DOUBLE, currency STRING, source STRING, event_id STRING, size LONG, "
    )
    fields += "day_volume LONG, bid DOUBLE, ask DOUBLE, exchange STRING, conditions ARRAY<STRING>, sequence LONG"

    def run(name: str, start: str) -> int:
        options = {
            "subscribe": TICKS.name,
            "startingOffsets": start,
            "kafka.bootstrap.servers": settings.broker.bootstrap,
        }
        read = spark.readStream.format("kafka").options(**options).option("maxOffsetsPerTrigger", 1_000_000).load()
        tick = read.select(
            F.from_json(F.col("value").cast("string"), fields).alias("tick"), "partition", "offset", "timestamp"
        )
        rows = tick.select("tick.*", F.col("partition").alias("kafka_partition"), "offset", "timestamp").withColumn(
            "trading_day", F.to_date(F.from_utc_timestamp(F.timestamp_micros("event_time"), "America/New_York"))
        )
        place = folder / name
        write = rows.writeStream.format("delta").partitionBy("trading_day", "kafka_partition")
        query = (
            write.option("checkpointLocation", str(place / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(place / "table"))
        )
        query.awaitTermination()
        return spark.read.format("delta").load(str(place / "table")).count()

    run("warm", "latest")
    return lambda: run("all", "earliest")


def _spark_usage(settings: Settings) -> tuple[float, float]:
    """CPU-seconds and peak memory (MiB) of the Spark server."""
    pid = next(state.pid for state in Services(settings).status() if state.name == "spark")
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


CONTENDERS: dict[str, Callable[[Settings, Path, int], Callable[[], int]]] = {
    "limit": _bare_consume,
    "landing": _landing,
    "shared": partial(_landing, processes=2),
    "spark": _spark_streaming,
    "csv": _kafka_python,
}
LABELS = {
    "limit": "bare consume (the limit)",
    "landing": "landing: checked, proved, Delta",
    "shared": "landing by two processes",
    "spark": "Spark streaming to Delta",
    "csv": "kafka-python loop to CSV",
}


def _fill(broker: Broker, records: int) -> int:
    """Publish seeded ticks; returns their bytes."""
    from confluent_kafka import Producer

    chance, size = random.Random(1), 0
    producer = Producer({**broker.librdkafka(), "linger.ms": 50, "compression.type": "lz4"})
    starts = [instant(session(day).open_time) for day in DAYS]
    for number in range(records):
        tick = Tick(
            symbol=SYMBOLS[number % len(SYMBOLS)],
            event_time=starts[number * len(DAYS) // records] + number * 40,
            price=round(chance.uniform(20, 500), 2),
            currency="USD",
            source="simulator",
            event_id=f"1/{number}",
            size=100,
            sequence=number,
        )
        value = encode(tick)
        size += len(value)
        while True:
            try:
                producer.produce(TICKS.name, value, tick.symbol)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        raise SystemExit("the broker did not acknowledge every record")
    return size


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CONTENDERS:
        contend(sys.argv[1], int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:3] or [RECORDS]), sys.argv[3:])
