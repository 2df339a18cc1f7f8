"""Record batches, unpacked together, are what the client library reads of them one by one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from stock_assets.domain.messages import encode
from stock_assets.topic import record_batches
from stock_assets.topic.payloads import EDGE, EDGE_BYTES, NEWLINE, Payloads
from stock_assets.topic.record_batches import RecordBatch, Records, unpack
from stock_assets_tests.services.landing_records import tick

BASE_MS = 1381152600000
Given = tuple[bytes | None, bytes | None, int, list[tuple[str, bytes]]]

objects = st.builds(lambda text: b'{"a":"%b"}' % text, st.binary(max_size=200))
strange = st.one_of(st.none(), st.binary(max_size=20), st.just(b'{"'), st.just(b'{"a":{"b":1}}'))
keys = st.one_of(
    st.none(), st.binary(max_size=3), st.just(b"AAPL"), st.just(b"x" * 100), st.just(b'{"'), st.just(b"\xff\xfe")
)
times = st.one_of(st.just(0), st.integers(0, 300), st.integers(-(2**40), 2**62))
headers = st.one_of(st.just([]), st.just([("trace", b'{"')]))


def batch_of(
    rows: list[Given], base_offset: int, skip: int = 1
) -> tuple[RecordBatch, list[tuple[int, int, bytes | None]]]:
    """A batch as the library builds it, and what the library reads of it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number, (key, value, after_ms, heads) in enumerate(rows):
        builder.append(number * skip, BASE_MS + (after_ms if number else 0), key, value, heads)
    built = DefaultRecordBatch(builder.build())
    records = bytes(built._buffer[built._pos :])
    read = [(base_offset + record.offset, record.timestamp, record.value) for record in built]
    return RecordBatch(base_offset, len(rows), BASE_MS, False, records), read


def assert_reads(batches: list[tuple[RecordBatch, list[Any]]]) -> None:
    parts = unpack([batch for batch, _ in batches])
    rows = [
        row for part in parts for row in zip(part.offsets.tolist(), part.times_ms.tolist(), part.values, strict=True)
    ]
    assert rows == [row for _, read in batches for row in read]
    for part in parts:
        assert_newlines_between(part)


def assert_newlines_between(found: Records) -> None:
    rows = list(found.values)
    assert [found.values[at] for at in range(len(rows))] == rows
    assert found.values.sizes.sum() == sum(len(value) for value in rows if value)
    between = np.ones(len(found.values.data), dtype=bool)
    for start, end in zip(found.values.starts, found.values.ends, strict=True):
        between[start:end] = False
    assert set(found.values.data[between].tolist()) == {NEWLINE[0]}
    assert between[:EDGE_BYTES].all() and between[-EDGE_BYTES:].all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(keys, st.one_of(objects, objects, strange), times, headers), min_size=1, max_size=12), min_size=1, max_size=4))  # fmt: skip
def test_whatever_is_in_them(batches: list[list[Given]]) -> None:
    assert_reads([batch_of(rows, 1000 * number) for number, rows in enumerate(batches)])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(keys, objects, times, st.just([])), min_size=1, max_size=40), st.integers(1, 2**30 // 40))
def test_objects_of_any_length_times_and_gaps(rows: list[Given], skip: int) -> None:
    assert_reads([batch_of(rows, 7, skip)])


def test_ticks_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "_one_by_one", lambda *_: pytest.fail("one by one"))
    for frame, key in ((b"", b"S"), (b"\x00\x00\x00\x00\x07", b"LONGER"), (b"", None)):
        rows: list[Given] = [(key and key * (n % 3), frame + encode(tick(n)), n // 3, []) for n in range(5000)]
        rows[700] = (key, frame + b'{"long":"' + b"x" * 20_000 + b'"}', 0, [])
        assert_reads([batch_of(rows[first : first + 700], first) for first in range(0, 5000, 700)])


def test_a_length_that_does_not_lead_to_the_next_record_is_refused() -> None:
    batch, _ = batch_of([(b"k", encode(tick(n)), n, []) for n in range(8)], 0)
    for wrong in (2, -2):
        damaged = bytearray(batch.records)
        damaged[0] += wrong  # the lower seven bits of the first record's length, doubled
        with pytest.raises(ValueError, match="record"):
            unpack([RecordBatch(0, 8, BASE_MS, False, bytes(damaged))])


@pytest.mark.parametrize("counts", [(7, 8), (9, 8), (8, 7), (8, 9), (0, 8), (9, 7)])
def test_another_number_of_records_than_a_batch_says_is_refused(counts: tuple[int, int]) -> None:
    batches = [batch_of([(b"k", encode(tick(n)), n, []) for n in range(8)], 8 * number)[0] for number in range(2)]
    with pytest.raises(ValueError, match=r"record|batch"):
        unpack([replace(batch, count=count) for batch, count in zip(batches, counts, strict=True)])


@pytest.mark.parametrize("value", [b"\x80", b"\x30"])
def test_headers_that_are_said_and_not_there_are_refused(value: bytes) -> None:
    batch, _ = batch_of([(b"k", encode(tick(n)), n, []) for n in range(3)], 0)
    records = bytes(batch.records)
    assert records.endswith(b"}\x00")
    with pytest.raises(ValueError, match="record"):
        unpack([replace(batch, records=records[:-1] + value)])


def test_an_odd_record_sets_its_own_batch_apart_only(monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one, counts = record_batches._one_by_one, []

    def counted(data: Any, count: int) -> Any:
        counts.append(count)
        return one_by_one(data, count)

    monkeypatch.setattr(record_batches, "_one_by_one", counted)
    rows: list[Given] = [(b"k", encode(tick(n)), n, []) for n in range(300)]
    rows[150] = (b"k", None, 150, [("trace", b"1")])
    assert_reads([batch_of(rows[first : first + 100], first) for first in (0, 100, 200)])
    assert counts == [100]


def test_a_batch_without_records_is_passed_over() -> None:
    batch, read = batch_of([(b"k", encode(tick(n)), n, []) for n in range(3)], 5)
    empty = RecordBatch(2, 0, BASE_MS, False, b"")
    assert_reads([(empty, []), (batch, read), (empty, [])])
    assert_reads([(empty, [])])


@pytest.mark.parametrize("length", range(1, 300, 7))
def test_a_number_of_more_than_eight_bytes_ends_beyond_all_data(length: int) -> None:
    data = np.full(length + 16, 0x80, dtype=np.uint8)
    _, at = record_batches._numbers(data, np.array([0]))
    assert at[0] >= len(data)


def test_the_time_of_the_broker() -> None:
    batch, _ = batch_of([(None, encode(tick(n)), 500 * n, []) for n in range(5)], 0)
    of_broker = RecordBatch(0, 5, BASE_MS + 9, True, batch.records)
    (found,) = unpack([batch, of_broker])
    assert found.times_ms.tolist() == [BASE_MS + 500 * n for n in range(5)] + [BASE_MS + 9] * 5


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_harmless(data: st.DataObject) -> None:
    """Never another number of records, a value out of the bytes, or anything but a ValueError."""
    batch, _ = batch_of([(b"AAPL", encode(tick(n)), n, []) for n in range(8)], 0)
    damaged = bytearray(batch.records)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(1, len(damaged))) :]
    try:
        (found,) = unpack([RecordBatch(0, 8, BASE_MS, False, bytes(damaged))])
    except ValueError:
        return
    assert len(found.offsets) == len(found.values) == 8
    assert (found.values.starts >= EDGE_BYTES).all() and (found.values.ends <= EDGE_BYTES + len(damaged)).all()


def test_payloads_of_a_list_and_their_parts() -> None:
    values = [b"one", None, b"", b"\n", b"four" * 50]
    payloads = Payloads.of(values)
    assert list(payloads) == values == [payloads[at] for at in range(5)] and len(payloads) == 5
    assert list(payloads[1:4]) == values[1:4] and Payloads.of(payloads) is payloads
    assert payloads.sizes.tolist() == [3, 0, 0, 1, 200]
    assert payloads.data[:EDGE_BYTES].tobytes() == payloads.data[-EDGE_BYTES:].tobytes() == EDGE
