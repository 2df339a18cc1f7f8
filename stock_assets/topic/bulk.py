"""topic, long range of offsets -> chunks of records, read as the record batches that the broker stored.

Belongs here: reading a backlog without an object for each record. Where to fetch from, what a transaction aborted, and what to
do when a broker changes is the business of kafka-python's consumer; only the unpacking of batches is taken from it.
Does not belong here: short ranges (``consume``: a client that is faster at once), and Kafka's record format (``record_batches``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stock_assets.broker import Broker
from stock_assets.domain.errors import LostOffsets, ServiceUnavailable
from stock_assets.topic.consume import NO_ANSWER_S, Chunk, RangeReader, Reader
from stock_assets.topic.record_batches import RECORD_FORMAT, RecordBatch, unpack
from stock_assets.topic.topics import Topic

if TYPE_CHECKING:
    from kafka import KafkaConsumer

CHUNK_RECORDS = 16_000
_ASKED_BATCHES = 8
_PARTITION_BYTES, _ANSWER_BYTES = 1 << 20, 8 << 20


class BulkReader(Reader):
    """Reads record batches, from ``start`` to ``end``; a chunk has ``chunk_records`` or up to a batch more."""

    def __init__(
        self,
        broker: Broker,
        topic: Topic,
        start: dict[int, int],
        end: dict[int, int],
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        from kafka import TopicPartition
        from kafka.errors import KafkaError

        self._broker, self._topic, self._chunk_records = broker, topic, chunk_records
        self._shown: RangeReader | None = None
        self._end = {p: end[p] for p in start if end[p] > start[p]}
        self._partitions = {p: TopicPartition(topic.name, p) for p in self._end}
        self._buffers: dict[int, list[RecordBatch]] = {p: [] for p in self._end}
        self.position = dict(start)
        try:
            self._consumer = _consumer_of_batches(broker)
        except KafkaError as broken:
            raise ServiceUnavailable(f"the broker at {broker} does not answer: {broken}") from broken
        self._consumer.assign(list(self._partitions.values()))
        for p, partition in self._partitions.items():
            self._consumer.seek(partition, start[p])
        self._chunks = self._read()

    def chunks(self) -> Iterator[Chunk]:
        return self._chunks

    def rest(self) -> Iterator[Chunk]:
        for partition in self._buffers:
            yield from self._flushed(partition)

    def commit_group(self, position: dict[int, int]) -> None:
        # a consumer of kafka-python that has a group reads nothing before it has found the group's coordinator
        self._shown = self._shown or RangeReader(self._broker, self._topic, {}, {})
        self._shown.commit_group(position)

    def close(self) -> None:
        self._consumer.close()
        if self._shown:
            self._shown.close()

    def _read(self) -> Iterator[Chunk]:
        heard = time.monotonic()
        while open_ends := [p for p, end in self._end.items() if self.position[p] < end]:
            batches = self._fetched()
            for partition, found in batches.items():
                buffer = self._buffers[partition]
                buffer += found
                if sum(batch.count for batch in buffer) >= self._chunk_records:
                    yield from self._flushed(partition)
            for partition in open_ends:
                if self._consumer.position(self._partitions[partition]) >= self._end[partition]:
                    # Noted only after the records before it were handed out: whoever stops in between must not find a
                    # position beyond records it never saw.
                    yield from self._flushed(partition)
                    self._consumer.pause(self._partitions[partition])
                    self.position[partition] = self._end[partition]
            if batches:
                heard = time.monotonic()
            elif time.monotonic() - heard > NO_ANSWER_S:
                raise ServiceUnavailable(f"the broker at {self._broker} sent nothing for {NO_ANSWER_S:.0f} s")

    def _fetched(self) -> dict[int, list[RecordBatch]]:
        from kafka.errors import CorruptRecordError, KafkaError, LogTruncationError, OffsetOutOfRangeError

        try:
            polled = self._consumer.poll(timeout_ms=500, max_records=_ASKED_BATCHES)
        except (OffsetOutOfRangeError, LogTruncationError) as lost:
            raise LostOffsets(
                f"{self._topic.name}: the broker no longer holds offsets that were to be read: {lost}"
            ) from lost
        except CorruptRecordError as broken:
            raise ServiceUnavailable(f"{self._topic.name}: the broker's answer is damaged: {broken}") from broken
        except KafkaError as broken:
            if getattr(broken, "retriable", False):
                return {}
            raise ServiceUnavailable(f"{self._topic.name} at {self._broker}: {broken}") from broken
        return {partition.partition: [record.value for record in found] for partition, found in polled.items()}

    def _flushed(self, partition: int) -> Iterator[Chunk]:
        """The records that were read of a partition and belong to the range."""
        batches, self._buffers[partition] = self._buffers[partition], []
        if not batches:
            return
        records = unpack(batches)
        first, following = records.offsets.searchsorted((self.position[partition], self._end[partition])).tolist()
        if following > first:
            inside = slice(first, following)
            self.position[partition] = int(records.offsets[following - 1]) + 1
            yield Chunk(partition, records.offsets[inside], records.values[inside], records.times_ms[inside])


def _consumer_of_batches(broker: Broker) -> KafkaConsumer:
    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import Fetcher

    class BatchesOfPartition(Fetcher.PartitionRecords):
        """Hands out each batch as one record, whose value is the batch."""

        def __init__(self, fetch_offset: int, partition: Any, records: Any, **options: Any) -> None:
            super().__init__(fetch_offset, partition, _Batches(records), **options)

    consumer = KafkaConsumer(
        **broker.kafka_python(),
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        fetch_max_wait_ms=50,
        fetch_max_bytes=_ANSWER_BYTES,
        max_partition_fetch_bytes=_PARTITION_BYTES,
        metrics_enabled=False,
    )
    # The only way to the batches: the library has none of its own, and a fetcher cannot be given to a consumer.
    consumer._fetcher.PartitionRecords = BatchesOfPartition
    return consumer


class _Batches:
    """The batches of an answer, as the fetcher asks for them."""

    def __init__(self, records: Any) -> None:
        self._records = records

    def next_batch(self) -> _Batch | None:
        from kafka.errors import CorruptRecordError

        batch = self._records.next_batch()
        if batch is not None and batch.magic != RECORD_FORMAT:
            raise CorruptRecordError(f"records of format {batch.magic}, {RECORD_FORMAT} is read")
        return None if batch is None else _Batch(batch)


class _Batch:
    """A batch of the library that, asked for its records, names itself as the only one, at the last of its offsets."""

    key, headers, checksum = None, (), None

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self._sound: bool | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)  # the mark of a transaction

    def __iter__(self) -> Iterator[_Batch]:
        yield self

    def validate_crc(self) -> bool:
        """Asked of the batch, and of what it names as its record."""
        if self._sound is None:
            self._sound = self._batch.validate_crc()
        return self._sound

    @property
    def offset(self) -> int:
        return int(self._batch.last_offset)

    @property
    def timestamp(self) -> int:
        return int(self._batch.max_timestamp)

    @cached_property
    def value(self) -> RecordBatch:
        batch = self._batch
        batch._maybe_uncompress()
        one_time = bool(batch.timestamp_type)
        time_ms = batch.max_timestamp if one_time else batch.first_timestamp
        records = memoryview(batch._buffer)[batch._pos :]
        return RecordBatch(batch.base_offset, batch.records_count, time_ms, one_time, records)
