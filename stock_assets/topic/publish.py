"""messages -> topics.

Belongs here: checked, idempotent, counted publishing; the key is the symbol, so a symbol's records keep their order.
Does not belong here: making messages (``sources``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.messages import Message, encode
from stock_assets.settings.kafka import Broker
from stock_assets.topic.clients import connected
from stock_assets.topic.schema_registry import frame_of
from stock_assets.topic.topics import Topic, topic_of

QUEUE_LIMIT = 20_000
"""Records in flight at the most: publishing streams, whatever the length of its input."""


@dataclass
class Published:
    """What one publisher did, in records per topic; ``acknowledged`` by all in-sync replicas."""

    sent: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.acknowledged.values())


class Publisher:
    """Publishes to all topics through one idempotent producer.

    Raises:
        ServiceUnavailable: the broker refused or lost a record after all retries.
        PermanentError: a record can never be stored.
    """

    def __init__(self, broker: Broker) -> None:
        from kafka import KafkaProducer

        self._producer = connected(
            KafkaProducer,
            broker,
            enable_idempotence=True,
            acks="all",
            linger_ms=20,
            batch_size=128 * 1024,
            compression_type="lz4",
            delivery_timeout_ms=60_000,
        )
        self.published = Published()
        self._registry, self._broker = broker.registry, broker
        self._in_flight: list[tuple[Topic, object]] = []

    def send(self, message: Message) -> None:
        """Check one message and hand it to the producer; with a registry, in the frame of its topic.

        Raises:
            BadRecord: it breaks the schema of its kind.
            PermanentError: the registry refuses that schema, or us.
            ServiceUnavailable: the registry does not answer.
        """
        # Checked first: a record that is kept because the registry is away must be good when it is back.
        topic, value = topic_of(message, self._broker), encode(message)
        self.send_raw(topic, message.symbol, frame_of(self._registry, topic) + value)

    def send_raw(self, topic: Topic, symbol: str, value: bytes | None) -> None:
        """Hand over bytes as they are; for tests and the simulator's deliberate faults."""
        with _named_failures():
            future = self._producer.send(topic.name, key=symbol.encode(), value=value)
        self.published.sent[topic.name] += 1
        self._in_flight.append((topic, future))
        if len(self._in_flight) >= QUEUE_LIMIT:
            self.flush()

    def flush(self) -> None:
        """Wait until every record handed over is acknowledged, and count them."""
        try:
            with _named_failures():
                self._producer.flush(timeout=120)
                for topic, future in self._in_flight:
                    future.get(timeout=0)  # type: ignore[attr-defined]
                    self.published.acknowledged[topic.name] += 1
        finally:
            self._in_flight.clear()

    def close(self) -> None:
        self._producer.close()


@contextmanager
def _named_failures() -> Iterator[None]:
    from kafka.errors import KafkaError

    try:
        yield
    except KafkaError as broken:
        failure = ServiceUnavailable if getattr(broken, "retriable", False) else PermanentError
        raise failure(f"the broker did not acknowledge a record: {broken}") from broken


@contextmanager
def publisher(broker: Broker) -> Iterator[Publisher]:
    """A publisher that is flushed at the end; acknowledged equals sent, or it raises."""
    opened = Publisher(broker)
    try:
        yield opened
        opened.flush()
    finally:
        opened.close()


def publish(broker: Broker, messages: Iterable[Message]) -> Published:
    """Publish all messages.

    Raises:
        BadRecord: a message breaks its schema; those before it are published.
        ServiceUnavailable: the broker did not acknowledge one.
    """
    with publisher(broker) as opened:
        for message in messages:
            opened.send(message)
    missing = opened.published.sent - opened.published.acknowledged
    if missing:
        raise ServiceUnavailable(f"not acknowledged: {dict(missing)}")
    return opened.published


def publish_with_progress(broker: Broker, messages: Iterable[Message], total: int | None, label: str) -> Published:
    """As ``publish``, with a progress bar on a terminal; ``total`` in records, None when unknown."""
    from rich.progress import track

    return publish(broker, track(messages, description=label, total=total, transient=True))
