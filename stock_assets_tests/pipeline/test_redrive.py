"""Redrive: each record accepted exactly once, whatever crashes, whoever writes at the same time."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.broker import Broker
from stock_assets.domain.errors import LandingConflict, NotRebuildable
from stock_assets.domain.messages import Action, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake import rebuild as rebuilding
from stock_assets.lake.compaction import compact
from stock_assets.lake.completeness import prove
from stock_assets.lake.plan import next_offset
from stock_assets.lake.prepare import Limits
from stock_assets.lake.rebuild import rebuild
from stock_assets.lake.redrive import Redrive, redrive, transaction_id
from stock_assets.lake.staleness import daily_bars_state, raw_state
from stock_assets.lake.tables import open_table
from stock_assets.topic.consume import Chunk
from stock_assets.topic.topics import ACTIONS, TICKS, Topic, TopicState
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    STORED_MS,
    TOPIC_ID,
    Payload,
    accepted,
    chunk_of,
    decoder,
    holds,
    in_quarantine,
    land,
    row_counts,
    stored,
    tick,
)

VALUES = [tick(0), tick(1, symbol="STRICT"), b"{bad", tick(3, NEXT_DAY, "STRICT2"), None, tick(5)]


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def strict_lake(lake: str) -> str:
    """Offsets 1 and 3 of each partition were refused by rules that have changed since; 2 and 4 are bad for good."""
    for partition in (0, 1):
        land(lake, VALUES, partition, strict=True, gap=1)
    return lake


def opened(lake: str) -> DeltaTable:
    handle = open_table(lake, RAW_TICKS)
    assert handle is not None
    return handle


def redrive_all(lake: str, **given: Any) -> list[Redrive]:
    return list(redrive(lake, TICKS, **given))


def counts(lake: str, days: list[date] | None = None) -> list[tuple[int, int, int]]:
    assert holds(lake, days)
    return [(proof.accepted, proof.rejected, proof.gaps) for proof in prove(lake, TICKS, days)]


def test_records_that_are_good_now_are_accepted_under_their_own_offsets(strict_lake: str) -> None:
    assert counts(strict_lake) == [(2, 4, 1)] * 2
    before = row_counts(strict_lake)
    (done,) = redrive_all(strict_lake)
    assert (done.accepted, done.rejected, done.sessions) == (4, 4, {DAY: 2, NEXT_DAY: 2})
    assert done.version == opened(strict_lake).version()
    assert row_counts(strict_lake) > before  # the rejected rows stay
    rows = stored(strict_lake)
    rows = rows.filter(pc.starts_with(rows["landing_id"], "redrive-"))
    found = {(row["kafka_partition"], row["kafka_offset"]): row for row in rows.to_pylist()}
    assert set(found) == {(0, 1), (0, 3), (1, 1), (1, 3)}
    assert {row["topic_id"] for row in found.values()} == {TOPIC_ID}
    assert all(row["kafka_time"].timestamp() * 1000 == STORED_MS + offset for (_, offset), row in found.items())
    assert found[1, 3]["trading_day"] == NEXT_DAY and found[1, 3]["symbol"] == "STRICT2"
    assert counts(strict_lake) == [(4, 2, 1)] * 2
    assert holds(strict_lake, [DAY]) and holds(strict_lake, [NEXT_DAY])
    assert {offset for _, _, offset, _ in in_quarantine(strict_lake)} == {2, 4}


def test_a_second_redrive_accepts_nothing_and_commits_nothing(strict_lake: str) -> None:
    redrive_all(strict_lake)
    version = opened(strict_lake).version()
    (again,) = redrive_all(strict_lake)
    assert (again.accepted, again.rejected, again.version) == (0, 4, None)
    assert opened(strict_lake).version() == version


def test_offsets_of_the_drain_stay_and_redrives_are_counted(strict_lake: str) -> None:
    redrive_all(strict_lake, limits=Limits(max_rows=3))
    table = opened(strict_lake)
    assert [next_offset(table, TOPIC_ID, p) for p in (0, 1)] == [7, 7]
    assert table.transaction_version(transaction_id(TOPIC_ID)) == 3
    land(strict_lake, [tick(9)])
    assert holds(strict_lake)


@pytest.mark.parametrize("limits", [Limits(max_rows=1), Limits(max_rows=3), Limits(max_bytes=1), Limits(max_bytes=400)])
def test_commits_are_bounded(strict_lake: str, limits: Limits) -> None:
    parts = redrive_all(strict_lake, limits=limits)
    assert len(parts) > 1
    assert max(part.accepted + part.rejected for part in parts) <= min(limits.max_rows, 5)
    assert sum(part.accepted for part in parts) == 4 and sum(part.rejected for part in parts) == 4
    assert counts(strict_lake) == [(4, 2, 1)] * 2


def test_only_the_reason_and_day_asked_for_are_tried(strict_lake: str) -> None:
    assert redrive_all(strict_lake, reason="no such reason") == []
    assert redrive_all(strict_lake, day=DAY) == redrive_all(strict_lake, day=date(2013, 10, 9)) == []
    (tombstones,) = redrive_all(strict_lake, reason=kind_of(strict_lake, None))
    assert (tombstones.accepted, tombstones.rejected) == (0, 2)
    (others,) = redrive_all(strict_lake, reason=kind_of(strict_lake, VALUES[1]), day=NEXT_DAY)
    assert others.accepted == 4


def kind_of(lake: str, payload: Payload) -> str:
    rows = stored(lake).to_pylist()
    return next(
        str(row["rejected_because"]).split(":")[0]
        for row in rows
        if row["rejected_because"] and not row["rejected_because"].startswith("gap") and row["payload"] == payload
    )


def test_exactly_the_touched_sessions_become_stale(lake: str) -> None:
    other = date(2013, 10, 4)
    land(lake, [*VALUES, tick(7, other)], strict=True)
    before = raw_state(lake).fingerprints
    redrive_all(lake)
    after = raw_state(lake).fingerprints
    assert after[other] == before[other]
    assert json.loads(after[DAY])["ticks"]["topic-on/0"] == [3, 5]
    assert json.loads(after[NEXT_DAY])["ticks"]["topic-on/0"] == [1, 3] and NEXT_DAY not in before


def test_daily_stages_see_a_redriven_action(lake: str) -> None:
    from stock_assets.domain.tables import DAILY_BARS

    dividend = Action(
        symbol="STRICT",
        ex_date=DAY,
        kind="dividend",
        value=1.0,
        source="yahoo",
        known_at=instant(session(DAY).open_time),
    )
    bar: dict[str, Any] = {field.name: None for field in DAILY_BARS.arrow_schema()}
    bar |= {"year": 2013, "trading_day": DAY, "symbol": "IBM", "revision": 1}
    nullable = pa.schema([field.with_nullable(True) for field in DAILY_BARS.arrow_schema()])
    write_deltalake(f"{lake}/{DAILY_BARS.path}", pa.Table.from_pylist([bar], schema=nullable), partition_by=["year"])
    land(lake, [encode(dividend)], topic=ACTIONS, strict=True)
    assert daily_bars_state(lake)[DAY].endswith("actions=0")
    (done,) = redrive(lake, ACTIONS)
    assert done.sessions == {DAY: 1}
    assert daily_bars_state(lake)[DAY].endswith("actions=1")
    assert holds(lake, topic=ACTIONS)


def test_a_topic_created_again_is_redriven_apart(lake: str) -> None:
    for topic_id in ("topic-a", "topic-b"):
        land(lake, VALUES, strict=True, topic_id=topic_id)
    assert [(part.topic_id, part.accepted) for part in redrive_all(lake)] == [("topic-a", 2), ("topic-b", 2)]
    assert set(accepted(lake).values()) == {1} and holds(lake)


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


records = st.sampled_from(["good", "good next day", "strict", "strict next day", "bad", "tombstone"])
steps = st.one_of(
    st.tuples(st.just("land"), st.integers(0, 1), st.lists(records, max_size=4), st.integers(0, 1)),
    st.tuples(st.just("rules"), st.booleans()),
    st.tuples(st.just("redrive"), st.integers(1, 5), st.sampled_from(["no", "before", "after"])),
    st.tuples(st.just("compact"), st.sampled_from([DAY, NEXT_DAY, None]), st.sampled_from(["no", "before", "after"])),
)


def payload_of(kind: str, number: int) -> Payload:
    day = NEXT_DAY if kind.endswith("next day") else DAY
    if kind == "tombstone":
        return None
    if kind == "bad":
        return b"{bad %d" % number
    return tick(number, day, "STRICT" if kind.startswith("strict") else "IBM")


def crash(when: str, of: Callable[..., None]) -> Callable[..., None]:
    """A commit that dies before it is stored, or whose answer is lost."""

    def committing(*args: Any, **kwargs: Any) -> None:
        if when != "before":
            of(*args, **kwargs)
        if when != "no":
            raise OSError("crashed")

    return committing


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, min_size=2, max_size=9))
def test_no_sequence_of_events_loses_or_doubles_a_record(sequence: list[tuple[Any, ...]]) -> None:
    published: dict[tuple[int, int], Payload] = {}
    ends = {0: 0, 1: 0}
    strict, number = True, 0
    with TemporaryDirectory() as folder:
        lake = f"{folder}/lake"
        for step in sequence:
            before = row_counts(lake) if any(ends.values()) else Counter()
            with pytest.MonkeyPatch.context() as patch:
                if step[0] == "land":
                    _, partition, kinds, gap = step
                    values = [payload_of(kind, number + n) for n, kind in enumerate(kinds)]
                    if not values and not gap:
                        continue
                    land(lake, values, partition, strict=strict, gap=gap)
                    published |= {(partition, ends[partition] + n): value for n, value in enumerate(values)}
                    number += len(values)
                    ends[partition] += len(values) + gap
                elif step[0] == "rules":
                    strict = step[1]
                elif step[0] == "redrive":
                    patch.setattr(deltalake, "write_deltalake", crash(step[2], write))
                    try:
                        list(redrive(lake, TICKS, limits=Limits(max_rows=step[1]), decoder=decoder(strict)))
                    except LandingConflict:
                        assert step[2] == "before"
                else:
                    patch.setattr(
                        DeltaTable, "create_write_transaction", crash(step[2], DeltaTable.create_write_transaction)
                    )
                    compact(lake, RAW_TICKS, step[1])
            if not any(ends.values()):
                continue
            after = row_counts(lake)
            assert after == before if step[0] in ("compact", "rules") else after >= before
            assert holds(lake)
            assert [next_offset(opened(lake), TOPIC_ID, p) for p in (0, 1)] == [ends[0], ends[1]]
            taken = accepted(lake)
            assert set(taken.values()) <= {1}
            left = in_quarantine(lake)
            assert set(left.values()) <= {1}
            assert {(p, offset) for _, p, offset in taken} | {(p, offset) for _, p, offset, _ in left} == set(published)
            assert all(payload == published[p, offset] for _, p, offset, payload in left)
            assert len(taken) + len(left) == len(published)


def test_an_empty_lake_has_nothing_to_redrive(lake: str) -> None:
    assert redrive_all(lake) == []
