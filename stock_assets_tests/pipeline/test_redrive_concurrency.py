"""A redrive beside other commits, and crashes: each record accepted exactly once all the same, a double one told."""

from collections.abc import Callable
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stock_assets.domain.errors import LandingConflict
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.landing.plan import next_offset
from stock_assets.landing.prepare import Limits
from stock_assets.raw.compaction import compact
from stock_assets.raw.completeness import prove
from stock_assets.raw.redrive import redrive
from stock_assets.topic.topics import TICKS
from stock_assets_tests.pipeline.raw_lake import (
    TOPIC_ID,
    accepted,
    counts,
    holds,
    land,
    opened,
    redrive_all,
    stored,
    tick,
)

write = deltalake.write_deltalake


def on_commit(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Do something right before and right after the first commit of a redrive."""
    seen: list[int] = []

    def writing(*args: Any, **kwargs: Any) -> None:
        if seen:
            write(*args, **kwargs)
            return
        seen.append(1)
        before()
        write(*args, **kwargs)
        after()

    monkeypatch.setattr(deltalake, "write_deltalake", writing)


def nothing() -> None:
    pass


def lost() -> None:
    raise OSError("connection reset")


def test_of_two_redrives_at_once_one_is_refused(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_commit(monkeypatch, lambda: redrive_all(strict_lake), nothing)
    with pytest.raises(LandingConflict, match="Concurrent transaction failed"):
        redrive_all(strict_lake)
    assert set(accepted(strict_lake).values()) == {1}
    assert counts(strict_lake) == [(4, 2, 1)] * 2


def test_what_another_redrive_did_between_two_commits_is_not_done_again(strict_lake: str) -> None:
    parts = redrive(strict_lake, TICKS, limits=Limits(max_rows=1))
    first = next(parts)
    others = redrive_all(strict_lake)
    assert [part.accepted for part in parts] == [0] * 7
    assert first.accepted + sum(part.accepted for part in others) == 4
    assert set(accepted(strict_lake).values()) == {1} and holds(strict_lake)


def test_a_drain_at_the_same_time_is_not_disturbed(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_commit(monkeypatch, lambda: land(strict_lake, [tick(20), b"{bad"]), nothing)
    (done,) = redrive_all(strict_lake)
    assert done.accepted == 4
    assert counts(strict_lake) == [(5, 3, 1), (4, 2, 1)]
    assert next_offset(opened(strict_lake), TOPIC_ID, 0) == 9


def test_a_drain_that_was_planned_before_a_redrive_is_stored_after_it(strict_lake: str) -> None:
    snapshot = opened(strict_lake)
    redrive_all(strict_lake)
    land(strict_lake, [tick(20)], snapshot=snapshot)
    assert counts(strict_lake) == [(5, 2, 1), (4, 2, 1)]


def test_a_compaction_at_the_same_time_is_not_disturbed(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    land(strict_lake, [b"{bad"])
    on_commit(monkeypatch, lambda: compact(strict_lake, RAW_TICKS, None), nothing)
    assert redrive_all(strict_lake)[0].accepted == 4
    assert counts(strict_lake) == [(4, 3, 1), (4, 2, 1)]


def test_a_commit_whose_answer_is_lost_counts_as_stored(strict_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_commit(monkeypatch, nothing, lost)
    (done,) = redrive_all(strict_lake)
    assert done.accepted == 4 and done.version == opened(strict_lake).version()
    assert redrive_all(strict_lake)[0].accepted == 0
    assert counts(strict_lake) == [(4, 2, 1)] * 2


def test_a_commit_that_failed_is_tried_again_by_the_next_redrive(
    strict_lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_commit(monkeypatch, lost, nothing)
    with pytest.raises(LandingConflict, match="connection reset"):
        redrive_all(strict_lake)
    assert counts(strict_lake) == [(2, 4, 1)] * 2
    assert redrive_all(strict_lake)[0].accepted == 4


def test_rows_that_are_really_double_are_told(strict_lake: str) -> None:
    redrive_all(strict_lake)
    rows = stored(strict_lake)
    redriven = pc.and_(pc.starts_with(rows["landing_id"], "redrive-"), pc.equal(rows["kafka_offset"], 3))
    rejected = pc.and_(pc.equal(rows["kafka_offset"], 2), pc.equal(rows["kafka_partition"], 0))
    for twice, text in ((redriven, "twice 3"), (rejected, "twice 2")):
        write(f"{strict_lake}/{RAW_TICKS.path}", rows.filter(twice), mode="append")
        assert any(text in str(proof) for proof in prove(strict_lake, TICKS) if not proof.holds)


def test_a_landing_that_accepts_what_another_rejected_is_no_redrive(lake: str) -> None:
    land(lake, [tick(0, symbol="STRICT"), tick(1)], strict=True)
    table = opened(lake)
    rows = stored(lake)
    twin = pc.equal(rows["kafka_offset"], 1)
    forged = rows.filter(twin).set_column(
        rows.column_names.index("kafka_offset"), rows.schema.field("kafka_offset"), pa.array([0], pa.int64())
    )
    write(table, forged, mode="append")
    assert "twice 0" in str(prove(lake, TICKS)[0])
