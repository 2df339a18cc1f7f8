"""A backlog read as batches, from answers that a broker might give: what ends it, and how much it holds."""

from collections.abc import Iterator
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.consumer.fetcher import CompletedFetch
from kafka.errors import KafkaConnectionError, LogTruncationError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c

from stock_assets.domain.errors import LostOffsets, PermanentError, ServiceUnavailable
from stock_assets.settings.kafka import Broker
from stock_assets.topic import bulk
from stock_assets.topic.bulk import BulkReader
from stock_assets.topic.topics import TICKS

HEADER = DefaultRecordBatch.HEADER_STRUCT
Answer = tuple[int, bytes, list[Any]]


def batch(values: list[bytes], base: int, producer: int = -1, **changed: int) -> bytes:
    """A batch as the broker sends it; ``changed`` are fields of its header."""
    open_transaction = producer >= 0
    epoch = 0 if open_transaction else -1
    builder = DefaultRecordBatchBuilder(2, 0, open_transaction, producer, epoch, epoch, 1 << 26)
    for number, value in enumerate(values):
        builder.append(number, 1000 + number, b"k", value, [])
    data = builder.build()
    fields = list(HEADER.unpack_from(data))
    for name, value in {"base": base, **changed}.items():
        fields[{"base": 0, "format": 3, "codec": 5, "records": 12}[name]] = value
    HEADER.pack_into(data, 0, *fields)
    fields[4] = calc_crc32c(memoryview(data)[21:])
    HEADER.pack_into(data, 0, *fields)
    return bytes(data)


class Reader(BulkReader):
    """Hears the answers given, one poll after the other, and then nothing."""

    def __init__(self, ends: dict[int, int], answers: list[list[Answer]]) -> None:
        broker = Broker("127.0.0.1:1")
        options = {**broker.kafka_python(), "api_version": (3, 9)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Broker, "kafka_python", lambda _: options)
            super().__init__(broker, TICKS, dict.fromkeys(ends, 0), ends)
        self._answers: Iterator[list[Answer]] = chain(answers, repeat([]))
        self._consumer._fetcher.send_fetches = self._hear

    def _hear(self) -> None:
        fetcher = self._consumer._fetcher
        if fetcher._completed_fetches or fetcher._next_partition_records:
            return
        for partition, data, aborted in next(self._answers):
            told = SimpleNamespace(
                partition_index=partition,
                error_code=0,
                high_watermark=1 << 40,
                records=data,
                aborted_transactions=aborted,
                diverging_epoch=None,
                preferred_read_replica=-1,
                current_leader=None,
            )
            asked = self._partitions[partition]
            fetched = CompletedFetch(asked, self._consumer.reached(asked), 12, told, None)
            fetcher._completed_fetches.append(fetched)


def closed(reader: Reader) -> list[int]:
    try:
        return [offset for chunk in reader.chunks() for offset in chunk.offsets.tolist()]
    finally:
        reader.close()


def test_what_a_broker_lost_when_its_leader_changed_is_lost_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader({0: 10, 1: 10}, [[(0, batch([b"{}"] * 3, 0), [])]])

    def truncated(*_: object, **__: object) -> None:
        raise LogTruncationError("truncated")

    monkeypatch.setattr(reader._consumer._fetcher, "validate_offsets_if_needed", truncated)
    with pytest.raises(LostOffsets, match="no longer holds"):
        closed(reader)


def test_a_connection_that_fails_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader({0: 3}, [[(0, batch([b"{}"] * 3, 0), [])]])
    validate, failures = reader._consumer._fetcher.validate_offsets_if_needed, iter(range(2))

    def away(*given: Any, **named: Any) -> Any:
        if next(failures, None) is not None:
            raise KafkaConnectionError("away")
        return validate(*given, **named)

    monkeypatch.setattr(reader._consumer._fetcher, "validate_offsets_if_needed", away)
    assert closed(reader) == [0, 1, 2]


def test_a_broker_that_sends_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "NO_ANSWER_S", 0.5)
    with pytest.raises(ServiceUnavailable, match="sent nothing"):
        closed(Reader({0: 3}, []))


def test_a_long_transaction_that_was_aborted_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(10_000))
    monkeypatch.setattr(bulk, "NO_ANSWER_S", 5)
    monkeypatch.setattr(bulk, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    aborted = [SimpleNamespace(producer_id=7, first_offset=0)]
    steps = [[(0, batch([b"{}"] * 5, 5 * n, producer=7), aborted)] for n in range(40)]
    assert closed(Reader({0: 203}, [*steps, [(0, batch([b"{}"] * 3, 200), [])]])) == [200, 201, 202]


@pytest.mark.parametrize(
    ("changed", "failure", "words"),
    [
        ({"records": 5}, ServiceUnavailable, "partition 0: the records after offset -1 are damaged"),
        ({"records": 2}, ServiceUnavailable, "partition 0: the records after offset -1 are damaged"),
        ({"records": -1}, ServiceUnavailable, "damaged"),
        ({"codec": 1}, ServiceUnavailable, "damaged"),
        ({"codec": 3}, ServiceUnavailable, "damaged"),
        ({"codec": 4}, ServiceUnavailable, "damaged"),
        ({"codec": 7}, PermanentError, "codec|compression"),
    ],
)
def test_a_damaged_batch_is_a_sentence(changed: dict[str, int], failure: type[Exception], words: str) -> None:
    with pytest.raises(failure, match=words):
        closed(Reader({0: 3}, [[(0, batch([b"{}"] * 3, 0, **changed), [])]]))


def test_few_large_records_are_handed_out_before_they_fill_the_memory() -> None:
    value = b'{"x":"' + b"y" * 16_000 + b'"}'
    steps = [[(p, batch([value] * 50, 50 * n), []) for p in range(4)] for n in range(20)]
    reader = Reader(dict.fromkeys(range(4), 1000), steps)
    sizes = [chunk.payload_bytes for chunk in reader.chunks()]
    reader.close()
    assert sum(sizes) == 4 * 1000 * len(value)
    assert max(sizes) < 8 << 20
