"""record batches as a broker stores them -> offset, time and value of each record.

Belongs here: Kafka's record format (version 2), read for thousands of records together.
Does not belong here: fetching batches (``bulk``), and what a value says (``lake``).

Records of one producer differ in little but their values, so where a value begins is guessed from its first characters, and
every guess is proved: each record's own lengths must lead from its beginning to its value and to the next record, over all of
the bytes. Records for which that fails (other values than objects, headers) are read one after the other, which takes twenty times
as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stock_assets.domain.session_index import Int64s
from stock_assets.topic.payloads import EDGE, EDGE_BYTES, NEWLINE, Bytes, Payloads, windows

RECORD_FORMAT = 2
_BRACE, _QUOTE = b'{"'
_MORE = 0x80
"""Set in each byte of a number but its last; the other seven bits are the number's, the lowest first."""
_MORE_IN_EACH = np.uint64(int.from_bytes(bytes([_MORE]) * 8, "little"))
_JOINED = tuple(
    (np.uint64(bits), np.uint64(low), np.uint64(high))
    for bits, low, high in (
        (1, 0x007F007F007F007F, 0x7F007F007F007F00),
        (2, 0x00003FFF00003FFF, 0x3FFF00003FFF0000),
        (4, 0x000000000FFFFFFF, 0x0FFFFFFF00000000),
    )
)
"""How far the upper halves move down so that groups of 7, 14 and 28 bits stand side by side, and the halves."""


@dataclass(frozen=True)
class RecordBatch:
    """A batch of the broker's log.

    Attributes:
        count: records in it.
        time_ms: that of the batch, to which each record's own is added.
        one_time: all records have the time of the batch: the broker's.
        records: bytes of the records, not compressed.
    """

    base_offset: int
    count: int
    time_ms: int
    one_time: bool
    records: bytes | bytearray | memoryview

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Records:
    """Records in the order of their batches; one element per record in each sequence."""

    offsets: Int64s
    times_ms: Int64s
    values: Payloads


def unpack(batches: Sequence[RecordBatch]) -> list[Records]:
    """The records of batches in their order, as few parts as they can be read in.

    Raises:
        ValueError: the bytes are no records of this format, or not as many as the batches say.
    """
    found = _unpack(batches, _together)
    if found is not None:
        return [found]
    parts = []
    for batch in batches:
        part = _unpack([batch], _together) or _unpack([batch], _one_by_one)
        if part is None:
            raise ValueError(f"the records of the batch at offset {batch.base_offset} do not fill it")
        parts.append(part)
    return parts


def _unpack(batches: Sequence[RecordBatch], read: Callable[[Bytes, int], _Found | None]) -> Records | None:
    data = np.frombuffer(bytearray().join((EDGE, *(batch.records for batch in batches), EDGE)), dtype=np.uint8)
    counts = np.array([batch.count for batch in batches], dtype=np.int64)
    found = read(data, int(counts.sum()))
    if found is None:
        return None
    firsts, edges = np.cumsum(counts) - counts, np.cumsum([EDGE_BYTES, *(len(batch.records) for batch in batches)])
    filled = counts > 0
    if (found.heads[firsts[filled]] != edges[:-1][filled]).any():
        return None
    base_offsets, times, one_time = (
        np.repeat([getattr(batch, name) for batch in batches], counts)
        for name in ("base_offset", "time_ms", "one_time")
    )
    times = times + np.where(one_time, 0, found.times)
    return Records(base_offsets + found.offsets, times, Payloads(data, found.starts, found.ends))


@dataclass(frozen=True)
class _Found:
    """Per record, where it begins, where its value stands, and how far its offset and time are from its batch's."""

    heads: Int64s
    starts: Int64s
    ends: Int64s
    offsets: Int64s
    times: Int64s


def _together(data: Bytes, count: int) -> _Found | None:
    """All records; None unless each has a JSON object, perhaps in a frame, and no headers."""
    stop = len(data) - EDGE_BYTES
    braces = np.flatnonzero(data[:stop] == _BRACE)
    braces = braces[data[braces + 1] == _QUOTE]
    if not count or len(braces) != count:
        return None
    frame = int(braces[0]) - next(_read(data, 1)).start
    if not 0 <= frame <= EDGE_BYTES - 4:
        return None
    starts = braces - frame
    sizes, size_bytes = _sizes_before(data, starts)
    ends = starts + sizes
    # after each value the number of its headers, 0
    if (sizes < 0).any() or ends[-1] + 1 != stop or (ends[:-1] >= starts[1:]).any() or data[ends].any():
        return None
    heads = np.concatenate(([EDGE_BYTES], ends[:-1] + 1))
    lengths, at = _numbers(data, heads)
    proved = (at + lengths == ends + 1).all()
    times, at = _numbers(data, at + 1)
    offsets, at = _numbers(data, at)
    keys, at = _numbers(data, at)
    at += np.maximum(keys, 0)
    if not proved or (at + size_bytes != starts).any():
        return None
    _blank(data, starts, ends)
    return _Found(heads, starts, ends, offsets, times)


def _numbers(data: Bytes, at: Int64s) -> tuple[Int64s, Int64s]:
    """The numbers at these positions, and where they end: beyond all data where one has more than eight bytes."""
    word = windows(data, 8)[np.minimum(at, len(data) - 8)].view("<u8")
    last = ~word & _MORE_IN_EACH
    inside = last - np.uint64(1)
    inside ^= last  # all bits up to the highest one of the last byte
    word &= inside & ~_MORE_IN_EACH
    for bits, low, high in _JOINED:
        upper = word & high
        upper >>= bits
        word &= low
        word |= upper
    value = (word >> np.uint64(1)).view(np.int64) ^ -(word & np.uint64(1)).view(np.int64)
    return value, at + np.where(last != 0, np.bitwise_count(inside).astype(np.int64) >> 3, len(data))


def _sizes_before(data: Bytes, starts: Int64s) -> tuple[Int64s, Int64s]:
    """The numbers that end before these positions, and their bytes, at most three; -1 where it is none."""
    last, middle, first = (data[starts - back].astype(np.int64) for back in (1, 2, 3))
    two, three = middle >= _MORE, (middle >= _MORE) & (first >= _MORE)
    value = np.where(
        three, last << 14 | (middle & 127) << 7 | first & 127, np.where(two, last << 7 | middle & 127, last)
    )
    sizes = np.where((last >= _MORE) | (value & 1 == 1), -1, value >> 1)
    return sizes, 1 + two.astype(np.int64) + three


def _blank(data: Bytes, starts: Int64s, ends: Int64s) -> None:
    """Newlines between the values."""
    widths = starts - np.concatenate(([EDGE_BYTES], ends[:-1]))
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        windows(data, width)[starts[widths == width] - width] = NEWLINE * width
    data[ends[-1] : len(data) - EDGE_BYTES] = NEWLINE[0]


@dataclass(frozen=True)
class _Record:
    head: int
    start: int
    end: int
    offset: int
    time: int
    following: int


def _one_by_one(data: Bytes, count: int) -> _Found:
    records = list(_read(data, count))
    heads, starts, ends, offsets, times = (
        np.array([getattr(record, name) for record in records], dtype=np.int64)
        for name in ("head", "start", "end", "offset", "time")
    )
    reached, stop = EDGE_BYTES, len(data) - EDGE_BYTES
    if records and records[-1].following != stop or not records and stop != EDGE_BYTES:
        raise ValueError(f"{stop - EDGE_BYTES} bytes are not those of {count} records")
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        data[reached:start] = NEWLINE[0]
        reached = max(end, start)
    data[reached:stop] = NEWLINE[0]
    return _Found(heads, starts, ends, offsets, times)


def _read(data: Bytes, count: int) -> Iterator[_Record]:
    """Records from the first on.

    Raises:
        ValueError: the bytes are none, or fewer than these.
    """
    text, stop = data.data, len(data) - EDGE_BYTES

    def number(at: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= stop:
                break
            byte = text[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < _MORE:
                if value >> 64:
                    break
                return (value >> 1) ^ -(value & 1), at
        raise ValueError("a number in a record has no end, or too many bits")

    at = EDGE_BYTES
    for _ in range(count):
        head = at
        length, at = number(at)
        following = at + length
        time, at = number(at + 1)
        offset, at = number(at)
        key, at = number(at)
        size, at = number(at + max(key, 0))
        end = at + size  # -1 for none
        headers, rest = number(max(end, at))
        if size < -1 or headers < 0 or following > stop or (rest >= following if headers else rest != following):
            raise ValueError(f"a record of {length} bytes holds a value of {size} and {headers} headers")
        yield _Record(head, at, end, offset, time, following)
        at = following
