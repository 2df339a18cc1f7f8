"""simulated ticks -> a topic: the stream publisher beside the library's bare producer (the limit) and kafka-python.

Each contender is a process of its own. Only ours makes its ticks, checks each against the schema and is idempotent; the bare
producer sends the same bytes again and again, and kafka-python sends ready messages one by one.

Run: python benchmarks/publish.py [RECORDS]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

from own_services import machine, own_services

from stock_assets.domain.messages import encode
from stock_assets.settings.platform import Settings
from stock_assets.sources.simulated_market import due_at_rate, endless_ticks
from stock_assets.topic.topics import TICKS, create_topics

RECORDS = 2_000_000
SYMBOLS = [f"S{number:03}" for number in range(100)]
STARTED = datetime(2025, 6, 23, 14, tzinfo=UTC)
TARGET_PER_S = 200_000


def main(records: int = RECORDS) -> None:
    """Run each contender, print the table."""
    with own_services(["kafka"]) as settings:
        create_topics(settings.broker, 3)
        print(f"\npublishing ticks to 3 partitions, {datetime.now(UTC):%Y-%m-%d}, {machine()}")
        print(f"{'':<34}{'records':>12}{'wall s':>9}{'CPU s':>8}{'records/s':>12}{'records/CPU-s':>15}")
        for name, (label, _, share) in CONTENDERS.items():
            count = records // share
            command = [sys.executable, __file__, name, str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            wall, cpu = json.loads(done.stdout.splitlines()[-1])
            print(f"{label:<34}{count:>12,}{wall:>9.2f}{cpu:>8.2f}{count / wall:>12,.0f}{count / cpu:>15,.0f}")
        print(f"asked of ours: {TARGET_PER_S:,} records/s")


def contend(name: str, records: int) -> None:
    """One contender in this process, imports not counted."""
    work = CONTENDERS[name][1](Settings.load(), records)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))


def _ours(settings: Settings, records: int) -> Callable[[], object]:
    import confluent_kafka  # noqa: F401
    import numpy  # noqa: F401

    from stock_assets.topic.publish_stream import publish_stream

    ticks = islice(endless_ticks(SYMBOLS, 1, STARTED, TARGET_PER_S), records)
    return lambda: publish_stream(settings.broker, TICKS, due_at_rate(ticks, float("inf")))


def _bare(settings: Settings, records: int) -> Callable[[], object]:
    from confluent_kafka import Producer

    (tick,) = islice(endless_ticks(SYMBOLS, 1, STARTED, TARGET_PER_S), 1)
    block = [{"value": encode(tick), "key": symbol} for symbol in SYMBOLS * 10]
    producer = Producer(
        {
            **settings.broker.librdkafka(),
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )

    def work() -> None:
        for _ in range(records // len(block)):
            producer.produce_batch(TICKS.name, block)
        producer.flush(120)

    return work


def _kafka_python(settings: Settings, records: int) -> Callable[[], object]:
    from stock_assets.topic.publish import publish

    ticks = list(islice(endless_ticks(SYMBOLS, 1, STARTED, TARGET_PER_S), records))
    return lambda: publish(settings.broker, ticks)


CONTENDERS: dict[str, tuple[str, Callable[[Settings, int], Callable[[], object]], int]] = {
    "bare": ("bare producer (the limit)", _bare, 1),
    "ours": ("ours: made, checked, idempotent", _ours, 1),
    "kafka-python": ("kafka-python, one by one", _kafka_python, 20),
}


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CONTENDERS:
        contend(sys.argv[1], int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
