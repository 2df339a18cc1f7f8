"""Reading a range in parts: whoever stops in between and goes on later gets every record once."""

from itertools import count
from typing import Any

import confluent_kafka
import pytest

from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.topics import TICKS

RECORDS = 10_000


class Record:
    """A record as the client gives it."""

    def __init__(self, partition: int, offset: int) -> None:
        self._partition, self._offset = partition, offset

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return b"%d/%d" % (self._partition, self._offset)

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def error(self) -> None:
        return None


class Interleaved:
    """A consumer that gives short runs of two partitions in turn."""

    def __init__(self, _options: dict[str, Any]) -> None:
        runs = ((p, first) for first in range(0, RECORDS, 70) for p in (0, 1))
        self._records = [Record(p, o) for p, first in runs for o in range(first, min(first + 70, RECORDS))]
        self._given = 0

    def assign(self, _partitions: list[Any]) -> None:
        pass

    def consume(self, asked: int, timeout: float) -> list[Record]:
        given = self._records[self._given : self._given + asked]
        self._given += len(given)
        return given


@pytest.mark.parametrize("chunks_a_part", [1, 2, 3])
def test_nothing_is_left_behind_between_two_parts(monkeypatch: pytest.MonkeyPatch, chunks_a_part: int) -> None:
    monkeypatch.setattr(confluent_kafka, "Consumer", Interleaved)
    ends = {0: RECORDS, 1: RECORDS}
    reader = RangeReader(Broker("nowhere:1"), TICKS, {0: 0, 1: 0}, ends)
    read: list[tuple[int, int]] = []
    for part in count():
        assert part < 50
        for number, chunk in enumerate(reader.chunks(), start=1):
            read += [(chunk.partition, offset) for offset in chunk.offsets.tolist()]
            if number == chunks_a_part:
                break
        for chunk in reader.rest():
            read += [(chunk.partition, offset) for offset in chunk.offsets.tolist()]
        assert sorted(read) == [(p, o) for p in (0, 1) for o in range(reader.position[p])]
        if reader.position == ends:
            break
    assert len(read) == 2 * RECORDS
