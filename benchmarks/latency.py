"""ticks at a steady rate -> seconds until each is in the lake, landed continuously.

The clock of a record starts when the broker stores it and stops when the commit that holds its row is written to the
table's log; both are stamped on this machine.

Run: python benchmarks/latency.py [TICKS_PER_SECOND [SECONDS]]
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from confluent_kafka import Producer
from own_services import cpu_seconds_of, machine, own_services

from stock_assets.domain.messages import encode
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.landing.commit import LANDING_ID
from stock_assets.landing.plan import plan_landing
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.sources.simulated_market import endless_ticks
from stock_assets.topic.topics import TICKS, create_topics, topic_state
from stock_assets_tests.checkout import PROJECT

LIMIT_S = 2.0


def main(rate: int = 10_000, seconds: int = 30) -> None:
    """Publish, land beside it, print how long records took."""
    with own_services(["kafka"]) as settings:
        create_topics(settings.broker, partitions=3)
        command = [sys.executable, "-m", "stock_assets.cli", "land", "--follow"]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as follower:
            _publish(settings.broker, rate, 2)  # the follower is up when these are landed
            _wait_until_landed(settings)
            began = time.time()
            _publish(settings.broker, rate, seconds)
            _wait_until_landed(settings)
            cpu = cpu_seconds_of(follower.pid)
            follower.send_signal(signal.SIGTERM)
        _show(settings, rate, seconds, began, cpu)


def _publish(broker: Broker, rate: int, seconds: int) -> None:
    """Seeded ticks of 100 symbols, encoded before the clock starts: this process shares the processors."""
    symbols = [f"S{number:03}" for number in range(100)]
    ticks = islice(endless_ticks(symbols, 1, datetime(2025, 6, 23, 14, tzinfo=UTC), rate), rate * seconds)
    records = [(tick.symbol, encode(tick)) for tick in ticks]
    producer = Producer({**broker.librdkafka(), "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    began = time.monotonic()
    for number, (symbol, value) in enumerate(records):
        if number % 100 == 0:
            time.sleep(max(0.0, number / rate - (time.monotonic() - began)))
            producer.poll(0)
        producer.produce(TICKS.name, value, symbol)
    if producer.flush(60):
        raise SystemExit("the broker did not acknowledge every record")


def _wait_until_landed(settings: Settings) -> None:
    while True:
        state, table = topic_state(settings.broker, TICKS), open_table(settings.lake_root, RAW_TICKS)
        if state is not None and table is not None and not plan_landing(table, TICKS, state).lag:
            return
        time.sleep(0.2)


def _show(settings: Settings, rate: int, seconds: int, began: float, cpu: float) -> None:
    table = open_table(settings.lake_root, RAW_TICKS)
    assert table is not None
    committed = {entry[LANDING_ID]: entry["timestamp"] / 1000 for entry in table.history() if LANDING_ID in entry}
    rows = table.to_pyarrow_table(columns=["landing_id", "kafka_time"])
    stored = rows["kafka_time"].cast("int64").to_numpy() / 1e6
    measured = stored >= began
    landed = np.array([committed[name] for name in rows["landing_id"].to_pylist()])
    waited = (landed - stored)[measured]
    complete = all(proof.holds for proof in prove(settings.lake_root, TICKS))
    print(f"\n{rate:,} ticks/s for {seconds} s, landed continuously, {datetime.now(UTC):%Y-%m-%d}, {machine()}")
    print(f"{'records':>10}{'p50 s':>8}{'p95 s':>8}{'p99 s':>8}{'most s':>8}{'commits':>9}{'files':>7}{'CPU s':>7}")
    half, most, nearly, longest = np.percentile(waited, [50, 95, 99, 100])
    print(
        f"{len(waited):>10,}{half:>8.2f}{most:>8.2f}{nearly:>8.2f}{longest:>8.2f}{len(committed):>9}"
        f"{len(table.file_uris()):>7}{cpu:>7.1f}"
    )
    print(f"every offset accounted for: {'yes' if complete else 'NO'}; limit p95 {LIMIT_S:.0f} s: ", end="")
    print("met" if most <= LIMIT_S else "MISSED")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
