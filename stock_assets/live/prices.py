"""topic of ticks -> last prices and the bars of the last minutes, for all viewers of one process.

Belongs here: one consumer in a thread of its own, and what it knows of each symbol. What it says is for eyes: nothing is stored, and
no offset is committed.
Does not belong here: what may be said of a feed (``domain.liveness``), windows (``windows``), drawing (``dashboard``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from stock_assets.domain.eligibility import CONDITIONS
from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Tick, decode
from stock_assets.settings.kafka import Broker
from stock_assets.topic.schema_registry import unframed
from stock_assets.topic.topics import TICKS, Topic, at

if TYPE_CHECKING:
    from confluent_kafka import Consumer

log = logging.getLogger(__name__)

LOOK_BACK_S = 300
"""How far back the consumer begins, so that the first viewer sees prices at once."""
KEPT_MINUTES = 30
"""Bars kept of each symbol; older ones are in the windows' table."""
AHEAD_S = 60
"""A tick further ahead of the broker's clock than this says nothing of now."""
POLL_S = 0.2
RETRY_S = 5.0
_AT_ONCE = 2000
_NO_PRICE = {(each.source, each.code) for each in CONDITIONS if not each.updates_last}


class MinuteBar(NamedTuple):
    """Trades of a minute; ``start`` is seconds since 1970."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class LastPrice:
    """The newest trade of a symbol at a source, by the time of the trade.

    Attributes:
        previous: the price before it.
    """

    symbol: str
    source: str
    price: float
    previous: float
    currency: str
    traded: datetime
    arrived: datetime


@dataclass(frozen=True)
class Feed:
    """A source: time of its newest trade, and when the broker got its last record."""

    source: str
    traded: datetime
    arrived: datetime


class LastPrices:
    """What is known of each symbol now; ``failed`` is why nothing comes, empty when nothing is wrong."""

    def __init__(self, broker: Broker, topic: Topic = TICKS) -> None:
        self._broker, self._topic = broker, at(broker, topic)
        self._known: dict[tuple[str, str], LastPrice] = {}
        self._bars: dict[tuple[str, str], dict[int, MinuteBar]] = {}
        self._feeds: dict[str, Feed] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.failed = ""
        self._thread = threading.Thread(target=self._run, name="last prices", daemon=True)

    def start(self) -> LastPrices:
        """Begin to receive."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop receiving."""
        self._stop.set()
        self._thread.join()

    def prices(self) -> list[LastPrice]:
        """By symbol, then source."""
        with self._lock:
            return [self._known[key] for key in sorted(self._known)]

    def minutes(self, symbol: str, source: str) -> list[MinuteBar]:
        """Bars of a symbol's last minutes, ascending."""
        with self._lock:
            return sorted(self._bars.get((symbol, source), {}).values(), key=lambda bar: bar.start)

    def feeds(self) -> Mapping[str, Feed]:
        """By source."""
        with self._lock:
            return dict(self._feeds)

    def _run(self) -> None:
        from confluent_kafka import KafkaException

        while not self._stop.is_set():
            try:
                self._receive()
            except (KafkaException, OSError) as broken:
                self.failed = f"the broker at {self._broker} does not answer: {broken}"
                log.warning("%s; again in %.0f s", self.failed, RETRY_S)
                self._stop.wait(RETRY_S)

    def _receive(self) -> None:
        from confluent_kafka import Consumer, KafkaError, KafkaException

        options = {
            "group.id": "stock-assets-last-prices", "enable.auto.commit": False, "auto.offset.reset": "latest",
            "fetch.wait.max.ms": 100, "allow.auto.create.topics": False,
        }  # fmt: skip
        consumer = Consumer({**self._broker.librdkafka(), **options})
        try:
            self._assign(consumer)
            while not self._stop.is_set():
                messages = consumer.consume(_AT_ONCE, timeout=POLL_S)
                for message in messages:
                    fault = message.error()
                    if fault is not None and fault.code() not in (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT):
                        raise KafkaException(fault)
                self.take((m.value(), m.timestamp()[1]) for m in messages if m.error() is None)
                self.failed = ""
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        from confluent_kafka import KafkaError, KafkaException, TopicPartition

        found = consumer.list_topics(self._topic.name, timeout=5).topics[self._topic.name]
        if found.error is not None:
            raise KafkaException(found.error)
        since = round((time.time() - LOOK_BACK_S) * 1000)
        places = [TopicPartition(self._topic.name, partition, since) for partition in found.partitions]
        begins = consumer.offsets_for_times(places, timeout=5)
        if any(each.error is not None for each in begins):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        consumer.assign(begins)  # of a partition without newer records, its end

    def take(self, records: Iterable[tuple[bytes | None, int]]) -> None:
        """Take note of records (payload, milliseconds since 1970 at the broker); what is no good tick says nothing."""
        for payload, stored_ms in records:
            try:
                tick: Any = decode(Tick, unframed(payload)) if payload is not None else None
            except BadRecord:  # the landing tells what is wrong with it
                continue
            if tick is not None and tick.event_time / 1e6 <= stored_ms / 1e3 + AHEAD_S:
                self._note(tick, stored_ms)

    def _note(self, tick: Tick, stored_ms: int) -> None:
        arrived, traded = (
            datetime.fromtimestamp(stored_ms / 1e3, UTC),
            datetime.fromtimestamp(tick.event_time / 1e6, UTC),
        )
        with self._lock:
            feed = self._feeds.get(tick.source)
            newest = traded if feed is None else max(traded, feed.traded)
            self._feeds[tick.source] = Feed(tick.source, newest, arrived)
            if any((tick.source, code) in _NO_PRICE for code in tick.conditions or ()):
                return
            key = (tick.symbol, tick.source)
            self._add_to_minute(key, tick)
            known = self._known.get(key)
            if known is None or traded >= known.traded:
                previous = tick.price if known is None else known.price
                self._known[key] = LastPrice(*key, tick.price, previous, tick.currency, traded, arrived)

    def _add_to_minute(self, key: tuple[str, str], tick: Tick) -> None:
        bars, start = self._bars.setdefault(key, {}), tick.event_time // 60_000_000 * 60
        price, size, bar = tick.price, float(tick.size or 0), bars.get(start)
        if bar is None:
            bars[start] = MinuteBar(start, price, price, price, price, size)
            if len(bars) > KEPT_MINUTES:
                del bars[min(bars)]
        else:
            high, low = max(bar.high, price), min(bar.low, price)
            bars[start] = bar._replace(high=high, low=low, close=price, volume=bar.volume + size)
