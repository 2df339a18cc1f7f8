"""records and when each is due -> a topic, hundreds of thousands a second.

Belongs here: publishing in bulk at a pace, with the same guarantees as ``publish``: idempotent, checked, acknowledged.
Does not belong here: making records and deciding when they are due (``sources``).

Uses librdkafka (``confluent-kafka``), which takes about 0.8 CPU-us a record where a pure Python client takes 40.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.messages import Message, encode_all
from stock_assets.settings.kafka import Broker
from stock_assets.topic.refusal import raise_if_refused
from stock_assets.topic.schema_registry import frame_of
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

_BLOCK_RECORDS = 1000
_SLACK_S = 0.005
_IDLE_S = 1.0
"""While nothing is due, ``published`` is told so often, and what was sent is acknowledged."""
_DELIVERY_S = 120.0
_ANY = -1
"""librdkafka's word for a partition of its own choice."""


@dataclass(frozen=True)
class Streamed:
    """What was published, in records, each acknowledged by all in-sync replicas, and the seconds it took."""

    records: int
    seconds: float

    @property
    def rate_per_s(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0


def publish_stream(
    broker: Broker,
    topic: Topic,
    records: Iterable[tuple[float, Message | bytes]],
    stop: threading.Event | None = None,
    published: Callable[[int], None] = lambda count: None,
    partition: int | None = None,
) -> Streamed:
    """Publish each record when it is due, in seconds from now, until they end or ``stop`` is set.

    Bytes go out as they are, for deliberate faults, without a key and without a registry's frame. ``published`` is told,
    now and then, how many are acknowledged. Whoever falls behind goes as fast as the machine can. With ``partition`` all go
    there, in their order.

    Raises:
        BadRecord: a message breaks its schema; those before its block are published.
        ServiceUnavailable: the broker did not acknowledge a record, or the registry does not answer.
        PermanentError: a record can never be stored, or the registry refuses its schema.
    """
    from confluent_kafka import Producer

    raise_if_refused(broker)
    frame = frame_of(broker.registry, topic)
    failures: list[KafkaError] = []
    producer = Producer(
        {
            **broker.librdkafka(),
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.num.messages": 100_000,
            "batch.size": 512 * 1024,
            "queue.buffering.max.messages": 100_000,
            "delivery.timeout.ms": int(_DELIVERY_S * 1000),
            # nothing is heard of a record that was acknowledged: to hear of each costs as much as to send it
            "delivery.report.only.error": True,
            "log_level": 2,
        }
    )

    def failed(error: KafkaError | None, _: object) -> None:
        failures.extend([error] if error is not None else [])

    halt, began, count = stop or threading.Event(), time.monotonic(), 0
    for block in _blocks(records, began, halt):
        if not block:
            producer.poll(0)
        _hand_over(producer, topic, frame, block, failed, _ANY if partition is None else partition)
        count += len(block)
        published(count - len(producer))
        if failures or halt.is_set():
            break
    left = producer.flush(_DELIVERY_S)
    if failures:
        refused = PermanentError if not failures[0].retriable() and not failures[0].code() < 0 else ServiceUnavailable
        raise refused(f"the broker did not acknowledge {len(failures)} records of {topic.name}: {failures[0].str()}")
    if left:
        raise ServiceUnavailable(
            f"the broker did not acknowledge {left} records of {topic.name} in {_DELIVERY_S:.0f} s"
        )
    return Streamed(count, time.monotonic() - began)


def _blocks(
    records: Iterable[tuple[float, Message | bytes]], began: float, stop: threading.Event
) -> Iterator[list[Message | bytes]]:
    """The records that are due, a block at a time; waits for those that are not, with empty blocks meanwhile."""
    block: list[Message | bytes] = []
    elapsed = 0.0
    for due, record in records:
        if due > elapsed:
            elapsed = time.monotonic() - began
            if due > elapsed + _SLACK_S:
                if block:
                    yield block
                    block = []
                while (wait := due - (time.monotonic() - began)) > 0:
                    if stop.wait(min(wait, _IDLE_S)):
                        return
                    yield []
        block.append(record)
        if len(block) >= _BLOCK_RECORDS:
            yield block
            block = []
    if block:
        yield block


def _hand_over(
    producer: Producer,
    topic: Topic,
    frame: bytes,
    block: list[Message | bytes],
    failed: Callable[[KafkaError | None, object], None],
    partition: int,
) -> None:
    """Queue a block; waits while the queue is full."""
    checked = encode_all([record for record in block if not isinstance(record, bytes)])
    values = iter([frame + value for value in checked] if frame else checked)
    waiting: list[dict[str, Any]] = [
        {"value": record} if isinstance(record, bytes) else {"value": next(values), "key": record.symbol}
        for record in block
    ]
    while waiting:
        try:
            producer.produce_batch(topic.name, waiting, partition, on_delivery=failed)
        except BufferError:
            producer.poll(0.1)
            continue
        producer.poll(0)
        waiting = _refused(waiting)
        if waiting:
            producer.poll(0.05)


def _refused(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that did not fit into the queue, to be handed over again."""
    from confluent_kafka import KafkaError

    left = []
    for record in given:
        error = record.pop("_error", None)
        if error is not None:
            if error.code() != KafkaError._QUEUE_FULL:
                raise PermanentError(f"a record can never be stored: {error.str()}")
            left.append(record)
    return left
