"""kafka-python's consumer -> record batches, whole.

Belongs here: taking batches from the consumer instead of records. It knows where to fetch from, what a transaction
aborted, and what to do when a broker changes; it has no way of its own to hand out a batch, so this module alone reaches into it.
Does not belong here: what is read (``bulk``), and Kafka's record format (``record_batches``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError, UnsupportedCodecError

from stock_assets.topic.record_batches import RECORD_FORMAT, RecordBatch


class BatchConsumer(KafkaConsumer):
    """A consumer whose ``poll`` gives batches: each is the ``value`` of a record."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._fetcher.PartitionRecords = _BatchesOfPartition

    def reached(self, partition: TopicPartition) -> int:
        """The next offset to fetch, as known here: unlike ``position``, this asks no broker."""
        return int(self._subscription.assignment[partition].position.offset)


class _BatchesOfPartition(Fetcher.PartitionRecords):
    def __init__(self, fetch_offset: int, partition: TopicPartition, records: Any, **options: Any) -> None:
        super().__init__(fetch_offset, partition, _Batches(records), **options)


class _Batches:
    """The batches of an answer, as the fetcher asks for them."""

    def __init__(self, records: Any) -> None:
        self._records = records

    def next_batch(self) -> _Batch | None:
        batch = self._records.next_batch()
        if batch is not None and batch.magic != RECORD_FORMAT:
            raise UnsupportedCodecError(f"records of format {batch.magic}; {RECORD_FORMAT} is read")
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
        try:
            batch._maybe_uncompress()
        except KafkaError:
            raise
        except Exception as broken:  # each of five codecs has errors of its own
            raise CorruptRecordError(f"the batch at offset {batch.base_offset}: {broken}") from broken
        if batch.records_count < 0:
            raise CorruptRecordError(f"the batch at offset {batch.base_offset} has {batch.records_count} records")
        one_time = bool(batch.timestamp_type)
        time_ms = batch.max_timestamp if one_time else batch.first_timestamp
        records = memoryview(batch._buffer)[batch._pos :]
        return RecordBatch(batch.base_offset, batch.records_count, time_ms, one_time, records)
