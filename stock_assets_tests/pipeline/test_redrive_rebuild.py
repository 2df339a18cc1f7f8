"""A rebuild and redriven rows: the same offsets accepted after it, and neither undoes the other nor a compaction."""

from collections.abc import Iterator
from typing import Any

import deltalake
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from stock_assets.domain.errors import LandingConflict, NotRebuildable
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.raw import rebuild as rebuilding
from stock_assets.raw.compaction import compact
from stock_assets.raw.rebuild import rebuild
from stock_assets.settings.kafka import Broker
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import TICKS, Topic, TopicState
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    TOPIC_ID,
    VALUES,
    accepted,
    chunk_of,
    counts,
    holds,
    land,
    redrive_all,
    row_counts,
    stored,
    tick,
)

write = deltalake.write_deltalake


class ReaderOfLists:
    """The topic's records, handed out as the broker would."""

    def __init__(self, broker: Broker, topic: Topic, start: dict[int, int], end: dict[int, int]) -> None:
        self._start, self._end = start, end

    def chunks(self) -> Iterator[Chunk]:
        for partition, first in self._start.items():
            yield chunk_of(first, VALUES[first : self._end[partition]], partition)

    def close(self) -> None:
        pass


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic of two partitions with ``VALUES`` in each, as a rebuild sees it."""
    state = TopicState(TOPIC_ID, {0: 0, 1: 0}, {0: 6, 1: 6})
    monkeypatch.setattr(rebuilding, "topic_state", lambda broker, topic: state)
    monkeypatch.setattr(rebuilding, "RangeReader", ReaderOfLists)


@pytest.mark.usefixtures("broker")
def test_a_session_with_redriven_rows_is_rebuilt_to_the_same_offsets(strict_lake: str) -> None:
    redrive_all(strict_lake)
    before = accepted(strict_lake)
    for day, rows in ((DAY, 6), (NEXT_DAY, 2)):
        done = rebuild(strict_lake, "", TICKS, day)
        assert (done.rows, done.replaced) == (rows, True)
        assert counts(strict_lake) == [(4, 2, 1)] * 2
    assert accepted(strict_lake) == before
    landings = set(
        stored(strict_lake).filter(pc.is_null(stored(strict_lake)["rejected_because"]))["landing_id"].to_pylist()
    )
    assert all(name.startswith("rebuild-") for name in landings)
    assert holds(strict_lake, [DAY]) and holds(strict_lake, [NEXT_DAY])
    (again,) = redrive_all(strict_lake)  # the rebuilt rows resolve the rejected ones just so
    assert (again.accepted, again.rejected) == (0, 4)


@pytest.mark.usefixtures("broker")
def test_a_rebuild_does_not_redrive(strict_lake: str) -> None:
    before = row_counts(strict_lake)
    with pytest.raises(NotRebuildable, match="2 others accepted .* are accepted by: stock-assets redrive"):
        rebuild(strict_lake, "", TICKS, DAY)
    assert row_counts(strict_lake) == before


@pytest.mark.usefixtures("broker")
def test_a_rebuild_during_a_redrive_is_refused(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    redrive_all(strict_lake)
    land(strict_lake, [tick(7, symbol="STRICT")], strict=True)
    before = accepted(strict_lake)

    def interrupted(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(deltalake, "write_deltalake", write)
        assert redrive_all(strict_lake)[0].accepted == 1
        write(*args, **kwargs)

    monkeypatch.setattr(deltalake, "write_deltalake", interrupted)
    with pytest.raises(LandingConflict):
        rebuild(strict_lake, "", TICKS, DAY)
    assert (accepted(strict_lake) - before).total() == 1 and holds(strict_lake)


@pytest.mark.usefixtures("broker")
def test_a_compaction_planned_before_a_rebuild_gives_up(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = DeltaTable.create_write_transaction

    def rebuild_first(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(DeltaTable, "create_write_transaction", create)
        assert rebuild(strict_lake, "", TICKS, DAY).replaced
        create(*args, **kwargs)

    redrive_all(strict_lake)
    before = accepted(strict_lake)
    monkeypatch.setattr(DeltaTable, "create_write_transaction", rebuild_first)
    assert not compact(strict_lake, RAW_TICKS, DAY).done
    assert accepted(strict_lake) == before and holds(strict_lake)
