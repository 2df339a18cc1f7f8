"""topic, long range of offsets -> chunks of records, read as the record batches that the broker stored.

Belongs here: reading a backlog without an object for each record, and what its failures mean.
Does not belong here: short ranges (``consume``: a client that is fast at once), how batches are got from a consumer
(``batch_consumer``), and Kafka's record format (``record_batches``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from stock_assets.domain.errors import LostOffsets, PermanentError, ServiceUnavailable
from stock_assets.settings.kafka import Broker
from stock_assets.topic.clients import connected
from stock_assets.topic.consume import NO_ANSWER_S, Chunk, RangeReader, Reader
from stock_assets.topic.record_batches import RecordBatch, unpack
from stock_assets.topic.topics import Topic

CHUNK_RECORDS = 16_000
_CHUNK_BYTES = 4 << 20
_ASKED_BATCHES = 8
_PARTITION_BYTES, _ANSWER_BYTES = 1 << 20, 8 << 20
_FEW_RECORDS = 20
"""Batches of fewer cost more, each for itself, than their records cost the other reader."""
_LOOKED_AT = 100
"""So many batches tell how large they are."""


@dataclass
class _Buffer:
    """Batches of one partition that were read and not yet handed out."""

    batches: list[RecordBatch] = field(default_factory=list)
    records: int = 0
    size: int = 0

    def add(self, batches: list[RecordBatch]) -> int:
        """Take batches; returns their records."""
        added = sum(batch.count for batch in batches)
        self.batches += batches
        self.records += added
        self.size += sum(len(batch.records) for batch in batches)
        return added


class BulkReader(Reader):
    """Reads record batches, from ``start`` to ``end``; a chunk has about ``chunk_records``, or fewer large ones.

    Where batches turn out to be small, as those of a slow feed are, the rest is left to ``RangeReader``.
    """

    def __init__(
        self,
        broker: Broker,
        topic: Topic,
        start: dict[int, int],
        end: dict[int, int],
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        from kafka import TopicPartition

        from stock_assets.topic.batch_consumer import BatchConsumer

        self._broker, self._topic, self._chunk_records = broker, topic, chunk_records
        self._other: RangeReader | None = None
        self._batches = self._records = 0
        self._end = {p: end[p] for p in start if end[p] > start[p]}
        self._partitions = {p: TopicPartition(topic.name, p) for p in self._end}
        self._buffers = {p: _Buffer() for p in self._end}
        self.position = dict(start)
        self._consumer = connected(
            BatchConsumer,
            broker,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=50,
            fetch_max_bytes=_ANSWER_BYTES,
            max_partition_fetch_bytes=_PARTITION_BYTES,
            metrics_enabled=False,
        )
        self._consumer.assign(list(self._partitions.values()))
        for p, partition in self._partitions.items():
            self._consumer.seek(partition, start[p])
        self._chunks = self._read()

    def chunks(self) -> Iterator[Chunk]:
        return self._chunks

    def rest(self) -> Iterator[Chunk]:
        for partition in self._buffers:
            yield from self._flushed(partition)
        if self._other:
            yield from self._other.rest()

    def commit_group(self, position: dict[int, int]) -> None:
        # a consumer of kafka-python that has a group reads nothing before it has found the group's coordinator
        self._other = self._other or RangeReader(self._broker, self._topic, {}, {})
        self._other.commit_group(position)

    def close(self) -> None:
        with ExitStack() as closing:
            if self._other:
                closing.callback(self._other.close)
            closing.callback(self._consumer.close)

    def _read(self) -> Iterator[Chunk]:
        heard, before = time.monotonic(), 0
        while open_ends := [p for p, end in self._end.items() if self.position[p] < end]:
            for partition, found in self._fetched().items():
                self._batches += len(found)
                buffer = self._buffers[partition]
                self._records += buffer.add(found)
                if buffer.records >= self._chunk_records or buffer.size >= _CHUNK_BYTES:
                    yield from self._flushed(partition)
            if self._batches >= _LOOKED_AT and self._records < _FEW_RECORDS * self._batches:
                yield from self._read_singly()
                return
            reached = {p: self._consumer.reached(self._partitions[p]) for p in open_ends}
            for partition, offset in reached.items():
                if offset >= self._end[partition]:
                    # Noted only after the records before it were handed out: whoever stops in between must not find a
                    # position beyond records it never saw.
                    yield from self._flushed(partition)
                    self._consumer.pause(self._partitions[partition])
                    self.position[partition] = self._end[partition]
            # not by records alone: a long transaction may have been aborted
            if (now := sum(map(self._consumer.reached, self._partitions.values()))) != before:
                heard, before = time.monotonic(), now
            elif time.monotonic() - heard > NO_ANSWER_S:
                raise ServiceUnavailable(f"the broker at {self._broker} sent nothing for {NO_ANSWER_S:.0f} s")

    def _read_singly(self) -> Iterator[Chunk]:
        for partition in self._buffers:
            yield from self._flushed(partition)
        self._consumer.pause(*self._partitions.values())
        if self._other:
            self._other.close()
        start = {p: self.position[p] for p in self._end}
        self._other = RangeReader(self._broker, self._topic, start, self._end)
        self._other.position = self.position
        yield from self._other.chunks()

    def _fetched(self) -> dict[int, list[RecordBatch]]:
        from kafka.errors import (
            CorruptRecordError,
            KafkaError,
            LogTruncationError,
            OffsetOutOfRangeError,
            UnsupportedCodecError,
        )

        try:
            polled = self._consumer.poll(timeout_ms=500, max_records=_ASKED_BATCHES)
            return {partition.partition: [record.value for record in found] for partition, found in polled.items()}
        except (OffsetOutOfRangeError, LogTruncationError) as lost:
            raise LostOffsets(f"{self._topic.name}: the broker no longer holds offsets to be read: {lost}") from lost
        except UnsupportedCodecError as unknown:
            raise PermanentError(f"{self._topic.name}: {unknown}") from unknown
        except CorruptRecordError as broken:
            raise ServiceUnavailable(f"{self._topic.name}: the broker's answer is damaged: {broken}") from broken
        except KafkaError as broken:
            if getattr(broken, "retriable", False):
                return {}
            raise ServiceUnavailable(f"{self._topic.name} at {self._broker}: {broken}") from broken

    def _flushed(self, partition: int) -> Iterator[Chunk]:
        """The records that were read of a partition and belong to the range."""
        batches, self._buffers[partition] = self._buffers[partition].batches, _Buffer()
        try:
            parts = unpack(batches)
        except ValueError as broken:
            raise ServiceUnavailable(
                f"{self._topic.name} partition {partition}: the records after offset {self.position[partition] - 1} are "
                f"damaged: {broken}"
            ) from broken
        for records in parts:
            first, following = records.offsets.searchsorted((self.position[partition], self._end[partition])).tolist()
            if following > first:
                inside = slice(first, following)
                self.position[partition] = int(records.offsets[following - 1]) + 1
                yield Chunk(partition, records.offsets[inside], records.values[inside], records.times_ms[inside])
