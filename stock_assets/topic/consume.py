"""topic, range of offsets -> chunks of records.

Belongs here: reading a bounded range of committed records, in order per partition, and saying where it ended.
Does not belong here: what a record means (``lake``), and where a range starts (the raw table's own offsets).

librdkafka (``confluent-kafka``) is fast from the first record on; a backlog is read by ``bulk``, where each costs less.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stock_assets.domain.errors import LostOffsets, ServiceUnavailable
from stock_assets.domain.session_index import Int64s
from stock_assets.settings.kafka import Broker
from stock_assets.topic.payloads import Payloads
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

GROUP = "stock-assets-landing"
"""Committed after each landing, so that lag tools show it; never read back."""

CHUNK_RECORDS = 4_000
_ASKED_RECORDS = 500
"""Few at a time: their objects stay in the processor's cache, which halves the cost of each."""
NO_ANSWER_S = 60.0


@dataclass(frozen=True)
class Chunk:
    """Records of one partition, ascending by offset; one element per record in each sequence."""

    partition: int
    offsets: Int64s
    values: Sequence[bytes | None]
    times_ms: Int64s

    @property
    def payload_bytes(self) -> int:
        if isinstance(self.values, Payloads):
            return int(self.values.sizes.sum())
        try:
            return sum(map(len, self.values))  # type: ignore[arg-type]
        except TypeError:  # a tombstone
            return sum(map(len, filter(None, self.values)))


@dataclass
class _Buffer:
    """Records of one partition that were read and not yet handed out."""

    offsets: list[Int64s] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)


class Reader(Protocol):
    """Reads committed records of one topic, per partition from a first offset (included) to a last one (excluded).

    ``position`` tells, after any chunk, the next offset to hand out per partition; markers and aborted records are
    passed over, so it may be further than the last record's successor.
    """

    position: dict[int, int]

    def chunks(self) -> Iterator[Chunk]:
        """Chunks until every partition has reached its end; another call goes on where the one before was left.

        Raises:
            LostOffsets: the broker no longer holds an offset of the range.
            ServiceUnavailable: the broker did not answer for a minute.
        """

    def rest(self) -> Iterator[Chunk]:
        """What was read and not yet handed out: whoever stops before the end takes it along."""

    def commit_group(self, position: dict[int, int]) -> None:
        """Show a position to lag tools; nothing depends on it."""

    def close(self) -> None:
        """Let go of the broker."""


class RangeReader(Reader):
    """Reads a record at a time, from ``start`` to ``end``."""

    def __init__(self, broker: Broker, topic: Topic, start: dict[int, int], end: dict[int, int]) -> None:
        from confluent_kafka import Consumer, TopicPartition

        self._topic = topic
        self._end = {p: end[p] for p in start if end[p] > start[p]}
        self.position = dict(start)
        self._buffers = {p: _Buffer() for p in self._end}
        self._broker = broker
        self._consumer = Consumer(
            {
                **broker.librdkafka(),
                "group.id": GROUP,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 100,
                # A short queue keeps memory small. By default, whether a full one has room again is looked at a second
                # later, and the reader waits: five times as long for a backlog.
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.queue.backoff.ms": 3,
                "log_level": 2,
            }
        )
        self._consumer.assign([TopicPartition(topic.name, p, start[p]) for p in self._end])
        self._chunks = self._read()

    def chunks(self) -> Iterator[Chunk]:
        # One iterator for the reader's life: it holds records that were received and are in no buffer yet.
        return self._chunks

    def _read(self) -> Iterator[Chunk]:
        heard = time.monotonic()
        while any(self.position[p] < end for p, end in self._end.items()):
            messages = self._consumer.consume(_ASKED_RECORDS, timeout=0.5)
            if messages:
                heard = time.monotonic()
                yield from self._sorted(messages)
            elif time.monotonic() - heard > NO_ANSWER_S:
                raise ServiceUnavailable(f"the broker at {self._broker} sent nothing for {NO_ANSWER_S:.0f} s")

    def rest(self) -> Iterator[Chunk]:
        for partition in self._buffers:
            yield from self._flushed(partition)

    def commit_group(self, position: dict[int, int]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        try:
            offsets = [TopicPartition(self._topic.name, p, offset) for p, offset in position.items()]
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException:
            pass  # The table holds the truth; a lag tool is late by one landing.

    def close(self) -> None:
        self._consumer.close()

    def _sorted(self, messages: list[Message]) -> Iterator[Chunk]:
        """Records into their partition's buffer, which is handed out when it is full or the partition ends."""
        partitions = set(map(_partition, messages))
        if len(partitions) == 1 and not any(map(_error, messages)):
            yield from self._take(partitions.pop(), messages)
            return
        for partition, run in groupby(messages, _partition):
            assert partition is not None  # it is None before a message was sent
            records: list[Message] = []
            for message in run:
                error = message.error()
                if error is None:
                    records.append(message)
                    continue
                yield from self._take(partition, records)
                records = []
                yield from self._ended(partition, message.offset(), error)
            yield from self._take(partition, records)

    def _take(self, partition: int, records: list[Message]) -> Iterator[Chunk]:
        """Records of one partition, ascending; those beyond the range end it and are dropped."""
        if not records:
            return
        first, last = _offset(records[0]), _offset(records[-1])
        end = self._end[partition]
        beyond = last >= end
        if beyond:
            records = [record for record in records if _offset(record) < end]
        if records:
            last = _offset(records[-1])
            buffer = self._buffers[partition]
            # offsets ascend strictly: as many as the range has room for are all of it
            whole = last - first + 1 == len(records)
            buffer.offsets.append(np.arange(first, last + 1) if whole else _offsets(records))
            buffer.values.extend(map(_value, records))
            buffer.times_ms.extend(map(_moment, map(_timestamp, records)))
            if len(buffer.values) >= CHUNK_RECORDS or last + 1 >= end:
                yield from self._flushed(partition)
        if beyond:
            yield from self._reached(partition, end)

    def _reached(self, partition: int, offset: int) -> Iterator[Chunk]:
        """The partition holds nothing more below ``offset``.

        Noted only after the records before it were handed out: whoever stops in between must not find a position
        beyond records it never saw.
        """
        yield from self._flushed(partition)
        self.position[partition] = max(self.position[partition], min(offset, self._end[partition]))

    def _flushed(self, partition: int) -> Iterator[Chunk]:
        buffer = self._buffers[partition]
        if buffer.values:
            self._buffers[partition] = _Buffer()
            offsets = np.concatenate(buffer.offsets)
            self.position[partition] = int(offsets[-1]) + 1
            yield Chunk(partition, offsets, buffer.values, np.array(buffer.times_ms, dtype=np.int64))

    def _ended(self, partition: int, offset: int | None, error: KafkaError) -> Iterator[Chunk]:
        """A notice of the partition's end is noted; other notices are passed over, errors raised."""
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF and offset is not None:
            # Everything below the broker's position was a marker or aborted.
            yield from self._reached(partition, offset)
        elif error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            missing = self.position[partition]
            raise LostOffsets(f"{self._topic.name} partition {partition}: the broker no longer holds offset {missing}")
        elif not error.retriable() and error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            raise ServiceUnavailable(f"{self._topic.name} partition {partition}: {error.str()}")


# A call of each for every record: iterators that call C from C cost half of a loop.
_partition, _error, _value, _timestamp = map(methodcaller, ("partition", "error", "value", "timestamp"))
_moment = itemgetter(1)


def _offset(record: Message) -> int:
    offset = record.offset()
    assert offset is not None  # it is None before a message was sent
    return offset


def _offsets(records: Iterable[Message]) -> Int64s:
    return np.array([_offset(record) for record in records], dtype=np.int64)
