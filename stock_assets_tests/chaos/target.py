"""records -> topics, lake, warehouse, by the platform's own hands, with faults in between.

Belongs here: sending and what the broker acknowledged, landings and builds, and breaking them off.
Does not belong here: records (``kinds``), and what must have become of them (``reckoning``).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from stock_assets.definitions import build_definitions
from stock_assets.defs.jobs import build_config, build_partition, build_tags
from stock_assets.domain.errors import LandingConflict, PermanentError
from stock_assets.landing.commit import land
from stock_assets.landing.prepare import Limits
from stock_assets.raw.rebuild import rebuild
from stock_assets.raw.redrive import redrive
from stock_assets.raw.withdrawal import withdraw
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import Topic, topics_of
from stock_assets_tests.chaos.kinds import Made
from stock_assets_tests.chaos.market import SESSIONS, Record
from stock_assets_tests.chaos.peculiar import TO_WITHDRAW

At = tuple[str, int, int]
"""Topic, partition, offset."""
DAYS = sorted(map(date.fromisoformat, SESSIONS))
WITHDRAWN = 2
"""Records that are withdrawn of each topic between two rounds."""
PLACES = (
    "spark.jobs.build_minute_bars",
    "spark.jobs.build_daily_bars",
    "spark.jobs.build_daily_metrics",
    "stock_assets.quality.validate.validate",
    "stock_assets.warehouse.load.load_sessions",
)
"""Where a build can be broken off, before or after what is called there."""


class Target:
    """The platform under attack.

    Attributes:
        sent: each record that the broker acknowledged, by where it is.
        stopped: topics that could not be landed to their end, and why.
        unbuilt: steps of builds that failed and should not have.
        broken_off: landings and builds that were.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.sent: dict[At, Record] = {}
        self.stopped: list[str] = []
        self.unbuilt: list[str] = []
        self.broken_off = 0
        self._chance = random.Random(seed)
        self._topics = topics_of(settings.broker)
        self._job: dg.JobDefinition | None = None

    def send(self, made: list[Made]) -> None:
        """Publish a batch; return when the broker has all of it."""
        options = {"enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4", "log_level": 2}
        producer = Producer({**self.settings.broker.librdkafka(), **options})
        refused: list[str] = []

        def acknowledged(stage: str, record: Record, error: Any, message: Any) -> None:
            if error is not None:
                refused.append(f"{record.kind}: {error}")
            else:
                self.sent[stage, message.partition(), message.offset()] = record

        for stage, records in made:
            partition = self._chance.randrange(self.settings.kafka.partitions)
            for record in records:
                told = partial(acknowledged, stage, record)
                while True:
                    try:
                        producer.produce(self._topics[stage].name, record.value, partition=partition, on_delivery=told)
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(120) == 0 and not refused, refused[:3]

    def land(self, *, fault: bool) -> None:
        """Land what the topics hold, by either reader and in small or large commits; broken off first, with a fault."""
        for stage, topic in self._topics.items():
            limits = Limits(
                max_rows=self._chance.choice((1000, 20_000)), bulk_from=self._chance.choice((0, sys.maxsize))
            )
            for broken_off in (True, False) if fault else (False,):
                try:
                    with _commit_that_fails(after=self._chance.random() < 0.5) if broken_off else nullcontext():
                        for _ in land(self.settings.lake_root, self.settings.broker, topic, limits):
                            pass
                except Exception as broken:  # noqa: BLE001 - it is counted, whatever stopped the topic
                    if broken_off and isinstance(broken, LandingConflict):
                        self.broken_off += 1
                    else:
                        self.stopped.append(f"{stage}: {type(broken).__name__}: {broken}")

    def build(self, *, fault: bool) -> None:
        """The job that the staleness sensor asks for; with a fault broken off first, and tried again for one session or all."""
        days = DAYS
        if fault:
            with _call_that_fails(self._chance.choice(PLACES), after=self._chance.random() < 0.5):
                assert not self._run(DAYS).success
            self.broken_off += 1
            days = self._chance.choice((DAYS, self._chance.sample(DAYS, 1)))
        done = self._run(days)
        self.unbuilt += [f"build of {days}: {event.message}" for event in done.all_events if event.is_step_failure]

    def correct(self) -> None:
        """Withdraw some records, try again all that are in quarantine, and read a session again."""
        for stage, topic in self._topics.items():
            try:
                self._correct(stage, topic)
            except Exception as broken:  # noqa: BLE001 - a topic of which nothing can be corrected has stopped, too
                self.stopped.append(f"{stage}: {type(broken).__name__}: {broken}")

    def _correct(self, stage: str, topic: Topic) -> None:
        lake, broker = self.settings.lake_root, self.settings.broker
        good = sorted(at for at, record in self.sent.items() if at[0] == stage and record.kind == TO_WITHDRAW)
        for at in good[:WITHDRAWN]:
            withdraw(lake, broker, topic, at[1], at[2], "of an attack")
            self.sent[at] = replace(self.sent[at], kind="withdrawn", fields=None, reasons=("withdrawn",))
        for _ in redrive(lake, topic):
            pass
        rebuild(lake, broker, topic, self._chance.choice(DAYS))

    def _run(self, days: list[date]) -> dg.ExecuteInProcessResult:
        if self._job is None:
            self._job = build_definitions(self.settings).resolve_job_def("build")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            return self._job.execute_in_process(
                run_config=build_config(days[0], days[-1]) | quiet,
                partition_key=build_partition(days[-1]),
                tags=build_tags(days[0], days[-1]),
                instance=instance,
                raise_on_error=False,
            )


@contextmanager
def _commit_that_fails(*, after: bool) -> Iterator[None]:
    """The first commit fails, before it is stored; or its answer is lost."""
    commit = DeltaTable.create_write_transaction
    failed: list[bool] = []

    def fail(*given: Any, **named: Any) -> None:
        if after or failed:
            commit(*given, **named)
        if not failed:
            failed.append(True)
            raise OSError("broken off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", fail)
        yield


@contextmanager
def _call_that_fails(place: str, *, after: bool) -> Iterator[None]:
    """What is called there fails, before it does anything or when it has done everything."""
    with pytest.MonkeyPatch.context() as patch:
        module, name = place.rsplit(".", 1)
        real = getattr(import_module(module), name)

        def fail(*given: Any, **named: Any) -> None:
            if after:
                real(*given, **named)
            raise PermanentError(f"broken off {'after' if after else 'before'} {name}")

        patch.setattr(place, fail)
        yield
