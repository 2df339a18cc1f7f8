"""Ticks through a drain that everything happens to: at the end nothing is lost, nothing twice, and the bars are the clean ones.

A real broker, the lake on a real MinIO behind a proxy that can misbehave. The seed decides the ticks and the order of the
faults; each fault is made, proved to have happened, and healed, one after the other, while ticks go on coming.

Run: python -m stock_assets_tests.chaos.soak SEED MINUTES
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import TopicPartition
from kafka.admin import NewPartitions

from stock_assets.domain.messages import encode
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.landing.plan import plan_landing
from stock_assets.local.services import Services
from stock_assets.raw.adoption import adopt_topic
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment
from stock_assets.topic.topics import TICKS, admin_of, create_topics, topic_state
from stock_assets_tests import patience
from stock_assets_tests.chaos.drain import LONGEST_S, Drain
from stock_assets_tests.chaos.publishing import Publishing
from stock_assets_tests.chaos.store_proxy import StoreProxy
from stock_assets_tests.chaos.stream import clean_ticks
from stock_assets_tests.chaos.verdict import check
from stock_assets_tests.conftest import place


class Soak:
    """One soak: its services, what publishes, its drain, and the faults."""

    def __init__(self, settings: Settings, services: Services, proxy: StoreProxy, seed: int, minutes: float) -> None:
        self.settings, self.services, self.proxy = settings, services, proxy
        self.chance = random.Random(seed)
        self.ticks = clean_ticks(seed, trades=int(300 + 100 * minutes))
        self.publishing = Publishing(settings.broker, self.ticks, len(self.ticks) / max(30.0, minutes * 60))
        self.poison: list[bytes] = []
        self.fired: Counter[str] = Counter()
        # Only the drain goes through the proxy: delta-rs holds the interpreter while it asks, and the proxy lives in this one.
        self._drain_environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        self.drain = Drain(self._drain_environment)

    def run(self, until: float) -> None:
        """Every fault once in an order of the seed's, then more of them until the time is over."""
        self.publishing.start()
        faults = sorted(name for name in dir(self) if name.startswith("fault_"))
        self.chance.shuffle(faults)
        while faults or time.monotonic() < until:
            name = faults.pop() if faults else self.chance.choice([n for n in dir(self) if n.startswith("fault_")])
            began = time.monotonic()
            self.drain.start()
            getattr(self, name)()
            self.fired[name.removeprefix("fault_")] += 1
            print(
                f"{name.removeprefix('fault_').replace('_', ' '):<40} fired, {time.monotonic() - began:.1f} s",
                flush=True,
            )
        self.publishing.finish()
        self.settle()
        self.drain.kill()

    def settle(self) -> None:
        """Everything published so far is landed."""
        self.drain.start()
        with self.publishing.paused:
            self.publishing.flush()
            wait_for(lambda: not self._lag())

    def tell(self) -> None:
        """Where the records are: what to know of a soak that stands still."""
        print(f"{self.publishing}; topic: {self._state()}")
        print(f"not yet landed: {self._lag()}")

    # faults of the drain

    def fault_kill_at_any_moment(self) -> None:
        self.drain.wait_for("landed")
        time.sleep(self.chance.uniform(0, 0.5))  # the moment is the fault
        assert self.drain.kill() == -9

    def fault_kill_while_writing_files(self) -> None:
        self._die_at("write")

    def fault_kill_before_the_commit(self) -> None:
        self._die_at("commit")

    def fault_kill_before_the_answer(self) -> None:
        self._die_at("answer")

    def _die_at(self, moment: str) -> None:
        self.drain.restart("--die", moment)
        self.drain.wait_for(f"dying at {moment}")
        assert self.drain.wait_until_dead() == -9
        self.drain.restart()

    def fault_two_drains_at_once(self) -> None:
        with Drain(self._drain_environment) as second:
            second.wait_for("landed", "failed LandingConflict")
            self.drain.restart()
            self.drain.wait_for("landed", "failed LandingConflict")

    def fault_clock_a_day_ahead(self) -> None:
        self.drain.restart("--clock", "86400")
        self.drain.wait_for("landed")
        self.drain.restart("--clock", "-86400")
        self.drain.wait_for("landed")
        self.drain.restart()

    # faults of the broker and its topic

    def fault_broker_restarted(self) -> None:
        self.services.stop(["kafka"])
        self.services.up(["kafka"])
        self.drain.wait_for("landed")

    def fault_partition_added(self) -> None:
        before = len(self._state().end)
        with admin_of(self.settings.broker) as admin:
            admin.create_partitions({TICKS.name: NewPartitions(before + 1)})
        wait_for(lambda: len(self._state().end) == before + 1)
        self._producer_knows(before + 1)

    def fault_topic_created_again(self) -> None:
        with self.publishing.paused:
            self.settle()
            with admin_of(self.settings.broker) as admin:
                admin.delete_topics([TICKS.name])
            wait_for(lambda: topic_state(self.settings.broker, TICKS) is None)
            wait_for(lambda: TICKS.name in create_topics(self.settings.broker, 3))
            self._producer_knows(3)
            self.drain.wait_for("failed TopicRecreated")
            adopt_topic(self.settings.lake_root, self.settings.broker, TICKS)

    def fault_transaction_aborted(self) -> None:
        aborted = Producer({**self.settings.broker.librdkafka(), "transactional.id": f"soak-{self.chance.random()}"})
        aborted.init_transactions()
        aborted.begin_transaction()
        for tick in self.chance.sample(self.ticks, 50):
            aborted.produce(TICKS.name, encode(tick), tick.symbol)
        aborted.flush()
        aborted.abort_transaction()

    def fault_retention_past_what_was_landed(self) -> None:
        with self.publishing.paused:
            self.settle()
            self.drain.kill()
            partition = self.chance.choice(list(self._state().end))
            for number in range(20):  # never landed, so never part of what is expected
                self.publishing.producer.produce(TICKS.name, f'{{"lost":{number}}}'.encode(), partition=partition)
            self.publishing.flush()
            with admin_of(self.settings.broker) as admin:
                admin.delete_records({TopicPartition(TICKS.name, partition): self._state().end[partition]})
            self.drain.restart()
            self.drain.wait_for("failed LostOffsets")
            adopt_topic(self.settings.lake_root, self.settings.broker, TICKS)

    # faults of the store

    def fault_store_stopped(self) -> None:
        self._store("stopped", 3)

    def fault_store_slow(self) -> None:
        self._store("slow", 1)

    def fault_store_answers_500(self) -> None:
        self._store("500", 3)

    def fault_store_answers_503(self) -> None:
        self._store("503", 3)

    def fault_store_full(self) -> None:
        self._store("full", 3)

    def _store(self, mode: str, times: int) -> None:
        before = self.proxy.met[mode]
        self.proxy.switch(mode)
        wait_for(lambda: self.proxy.met[mode] >= before + times)
        self.proxy.switch("through")
        self.drain.wait_for("landed")

    # faults of the records

    def fault_poison_records(self) -> None:
        tick = encode(self.ticks[0])
        bad = [b"{bad", tick.replace(b'"price":', b'"price":-'), b"\xff\xfe", tick[:-5], b"[]"]
        with self.publishing.paused:
            for value in bad:
                self.publishing.producer.produce(TICKS.name, value)
            self.publishing.flush()
        self.poison += bad

    def fault_records_sent_twice(self) -> None:
        with self.publishing.paused:
            for tick in self.chance.sample(self.ticks, 200):
                if self.publishing.sent[tick.event_id]:
                    self.publishing.send(tick)

    def _producer_knows(self, partitions: int) -> None:
        """Until it has asked by itself, it goes on with as many partitions as there were."""
        wait_for(lambda: self.publishing.partitions() == partitions)

    def _state(self) -> Any:
        return topic_state(self.settings.broker, TICKS)

    def _lag(self) -> int:
        return plan_landing(open_table(self.settings.lake_root, RAW_TICKS), TICKS, self._state()).lag


def wait_for(condition: Callable[[], Any]) -> None:
    """Return when the condition holds; a broker that restarts may refuse to answer meanwhile."""
    from stock_assets.domain.errors import TransientError

    def holds() -> Any:
        with suppress(TransientError):
            return condition()

    patience.wait_for(holds, LONGEST_S)


def soak(seed: int, minutes: float, folder: Path) -> dict[str, Any]:
    """Run a soak in a folder of its own; what came of it, or an AssertionError."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        settings = place(patch, folder / "local", "minio")
        services = Services(settings, lambda line: print(line, flush=True))
        stack.callback(services.down)
        services.up(["kafka", "minio", "spark"])
        create_topics(settings.broker, 3)
        proxy = StoreProxy(settings.local.minio_port)
        stack.callback(proxy.close)
        for name, value in s3_environment(settings).items():
            patch.setenv(name, value)
        running = Soak(settings, services, proxy, seed, minutes)
        stack.enter_context(running.drain)
        try:
            running.run(time.monotonic() + minutes * 60)
        except AssertionError:
            running.tell()
            raise
        assert not running.publishing.refused, running.publishing.refused[:3]
        numbers = check(settings, running.ticks, running.publishing.sent, running.poison, str(folder / "clean"))
        return {"fired": dict(sorted(running.fired.items())), **numbers}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="stock-assets-soak-") as place_of_soak:
        print(json.dumps(soak(int(sys.argv[1]), float(sys.argv[2]), Path(place_of_soak)), indent=2, default=str))
