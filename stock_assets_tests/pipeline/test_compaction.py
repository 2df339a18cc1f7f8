"""Compaction: fewer files, the same rows, and nobody disturbed."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.messages import Action, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_ACTIONS, RAW_TICKS
from stock_assets.lake import compaction
from stock_assets.lake.compaction import compact, next_rewrite, sessions_to_compact, vacuum
from stock_assets.lake.plan import known_topic_ids, next_offset
from stock_assets.lake.row_digest import row_digest
from stock_assets.lake.staleness import daily_bars_state, raw_state
from stock_assets.lake.tables import open_table
from stock_assets.topic.topics import ACTIONS
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    TOPIC_ID,
    accepted,
    holds,
    land,
    row_counts,
    stored,
    tick,
)

create_write_transaction = DeltaTable.create_write_transaction


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def filled(lake: str) -> str:
    """Six landings of two partitions, each with both days, a rejected record and a gap."""
    for number in range(6):
        values = [tick(number * 10 + n, DAY if n % 2 else NEXT_DAY) for n in range(8)]
        land(lake, [*values, b"{bad"], partition=number % 2, gap=1)
    return lake


def opened(lake: str) -> DeltaTable:
    handle = open_table(lake, RAW_TICKS)
    assert handle is not None
    return handle


def files(lake: str, day: date | None) -> list[str]:
    listed = pa.table(opened(lake).get_add_actions(flatten=True)).to_pylist()
    return [file["path"] for file in listed if file["partition.trading_day"] == day]


def test_each_partition_becomes_one_sorted_file_with_the_same_rows(filled: str) -> None:
    before = row_counts(filled)
    done = compact(filled, RAW_TICKS, DAY)
    assert (done.done, done.rows, done.files_before, done.files_after) == (True, 24, 6, 2)
    assert row_counts(filled) == before
    assert len(files(filled, DAY)) == 2 and len(files(filled, NEXT_DAY)) == 6
    for path in files(filled, DAY):
        rows = pa.parquet.read_table(f"{filled}/{RAW_TICKS.path}/{path}", partitioning=None)
        assert rows.num_rows == 12
        assert rows.equals(rows.sort_by([("symbol", "ascending"), ("event_time", "ascending")]))
    assert holds(filled) and holds(filled, [DAY])


def test_rejected_rows_and_gaps_are_compacted_too(filled: str) -> None:
    before = row_counts(filled)
    done = compact(filled, RAW_TICKS, None)
    assert (done.rows, done.files_after) == (12, 2)
    assert row_counts(filled) == before
    assert holds(filled)


def test_the_commit_is_no_change_of_data_and_moves_no_offset(filled: str) -> None:
    ends = {p: next_offset(opened(filled), TOPIC_ID, p) for p in (0, 1)}
    compact(filled, RAW_TICKS, DAY)
    log = Path(filled) / RAW_TICKS.path / "_delta_log" / f"{opened(filled).version():020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    changes = [action[kind]["dataChange"] for action in actions for kind in ("add", "remove") if kind in action]
    assert len(changes) == 8 and not any(changes)
    assert {p: next_offset(opened(filled), TOPIC_ID, p) for p in (0, 1)} == ends == {0: 30, 1: 30}


def test_no_session_becomes_stale(filled: str) -> None:
    before = raw_state(filled).fingerprints
    assert json.loads(before[DAY])["ticks"] == {"topic-on/0": [12, 27], "topic-on/1": [12, 27]}
    for day in (DAY, None):
        assert compact(filled, RAW_TICKS, day).done
    assert raw_state(filled).fingerprints == before
    assert known_topic_ids(opened(filled)) == {TOPIC_ID}


def test_topics_of_one_partition_stay_in_files_of_their_own(lake: str) -> None:
    for topic_id in ("topic-a", "topic-b", "topic-c"):
        for number in range(2):
            land(lake, [tick(number)], topic_id=topic_id)
    before = raw_state(lake).fingerprints
    assert compact(lake, RAW_TICKS, DAY).files_after == 3
    assert raw_state(lake).fingerprints == before
    assert known_topic_ids(opened(lake)) == {"topic-a", "topic-b", "topic-c"}


def test_a_second_run_does_nothing_until_files_come(filled: str) -> None:
    compact(filled, RAW_TICKS, DAY)
    version = opened(filled).version()
    again = compact(filled, RAW_TICKS, DAY)
    assert not again.done and again.reason == "it is compact already, or holds no row"
    assert opened(filled).version() == version
    land(filled, [tick(99)])
    assert compact(filled, RAW_TICKS, DAY).files_before == 2


def test_large_files_are_cut_at_the_target_size_and_left_alone_later(lake: str) -> None:
    for first in range(0, 40_000, 10_000):
        land(lake, [tick(first + n) for n in range(10_000)])
    before = raw_state(lake).fingerprints
    target = sum((Path(lake) / RAW_TICKS.path / path).stat().st_size for path in files(lake, DAY)) // 3
    done = compact(lake, RAW_TICKS, DAY, target_bytes=target)
    assert done.files_after == 4  # each of at most a third of what the rows took
    assert not compact(lake, RAW_TICKS, DAY, target_bytes=target).done
    assert raw_state(lake).fingerprints == before
    settled = set(files(lake, DAY))
    land(lake, [tick(1)])
    small = min((Path(lake) / RAW_TICKS.path / path).stat().st_size for path in settled)
    assert not compact(lake, RAW_TICKS, DAY, target_bytes=small).done or settled <= set(files(lake, DAY))
    assert holds(lake)


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: bool = False) -> None:
    """Do something once, right before compaction commits; or let it commit and lose the answer."""
    seen: list[object] = []

    def committing(self: DeltaTable, *args: Any, **kwargs: Any) -> None:
        if after or seen:
            create_write_transaction(self, *args, **kwargs)
        if not seen:
            seen.append(1)
            act()
            if not after:
                create_write_transaction(self, *args, **kwargs)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", committing)


def test_a_landing_in_between_is_neither_lost_nor_refused(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_counts(filled)
    meanwhile(monkeypatch, lambda: land(filled, [tick(500), b"{bad"]))
    assert compact(filled, RAW_TICKS, DAY).done
    assert (row_counts(filled) - before).total() == 2
    assert len(files(filled, DAY)) == 3
    assert holds(filled)


def test_a_landing_planned_before_a_compaction_is_stored_after_it(filled: str) -> None:
    before, snapshot = row_counts(filled), opened(filled)
    assert compact(filled, RAW_TICKS, DAY).done
    landing = land(filled, [tick(500)], snapshot=snapshot)
    assert landing.version == opened(filled).version()
    assert (row_counts(filled) - before).total() == 1
    assert holds(filled)


def test_the_second_of_two_compactions_gives_up(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_counts(filled)
    meanwhile(monkeypatch, lambda: compact(filled, RAW_TICKS, DAY))
    done = compact(filled, RAW_TICKS, DAY)
    assert not done.done and "another writer was faster" in done.reason
    assert row_counts(filled) == before
    monkeypatch.undo()
    assert not compact(filled, RAW_TICKS, DAY).done  # the other one did it


def test_a_rebuild_in_between_is_not_undone(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def rebuild() -> None:
        handle = opened(filled)
        rows = handle.to_pyarrow_dataset().to_table(filter=ds.field("trading_day") == DAY)
        properties = CommitProperties(app_transactions=[next_rewrite(handle)])
        predicate = f"trading_day = '{DAY}'"
        write_deltalake(handle, rows, mode="overwrite", predicate=predicate, commit_properties=properties)

    before = row_counts(filled)
    meanwhile(monkeypatch, rebuild)
    assert not compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before


def test_a_commit_whose_answer_is_lost_counts_as_done(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose() -> None:
        raise OSError("connection reset")

    before = row_counts(filled)
    meanwhile(monkeypatch, lose, after=True)
    assert compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before and len(files(filled, DAY)) == 2


def test_a_commit_that_failed_changes_nothing(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no space left on device")

    before, version = row_counts(filled), opened(filled).version()
    meanwhile(monkeypatch, fail)
    assert not compact(filled, RAW_TICKS, DAY).done
    assert opened(filled).version() == version
    monkeypatch.undo()
    assert compact(filled, RAW_TICKS, DAY).done
    assert row_counts(filled) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.slice(1),
        lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
        lambda rows: rows.set_column(
            rows.column_names.index("price"), rows.schema.field("price"), pa.array([1.5] + [100.0] * (len(rows) - 1))
        ),
    ],
    ids=["a row less", "a row more", "a changed price"],
)
def test_other_rows_than_those_read_are_never_committed(
    filled: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pa.Table], pa.Table]
) -> None:
    write = compaction._write
    monkeypatch.setattr(compaction, "_write", lambda fs, table, rows, *rest: write(fs, table, spoil(rows), *rest))
    version = opened(filled).version()
    with pytest.raises(PermanentError, match="their digests differ; nothing was changed"):
        compact(filled, RAW_TICKS, DAY)
    assert opened(filled).version() == version


def test_filters_find_the_same_rows(filled: str) -> None:
    def found(wanted: ds.Expression) -> list[str]:
        return sorted(map(repr, opened(filled).to_pyarrow_dataset().to_table(filter=wanted).to_pylist()))

    some = stored(filled).filter(ds.field("symbol").is_valid()).slice(5, 1).to_pylist()[0]
    reasons = stored(filled)["rejected_because"].drop_null().to_pylist()
    filters = [ds.field(name) == value for name, value in some.items() if not isinstance(value, list | None)]
    filters += [ds.field("rejected_because") == reasons[0], ds.field("payload") == b"{bad", ds.field("bid").is_null()]
    filters += [ds.field("offset_span") > 0, ds.field("rejected_because").is_valid(), ds.field("bid").is_valid()]
    before = [found(wanted) for wanted in filters]
    assert all(before[:-1])
    for day in (DAY, NEXT_DAY, None):
        assert compact(filled, RAW_TICKS, day).done
    assert [found(wanted) for wanted in filters] == before


def test_a_yearly_table_is_compacted_by_year(lake: str) -> None:
    for number, day in enumerate([DAY, NEXT_DAY, date(2014, 1, 2)]):
        split = Action(
            symbol="IBM", ex_date=day, kind="split", value=2.0, source="yahoo", known_at=instant(session(day).open_time)
        )
        land(lake, [encode(split)], partition=number % 2, topic=ACTIONS)
    before, states = row_counts(lake, ACTIONS), daily_bars_state(lake)
    assert sessions_to_compact(lake, RAW_ACTIONS, 2) == [date(2013, 1, 1)]
    assert compact(lake, RAW_ACTIONS, NEXT_DAY).files_before == 2
    assert row_counts(lake, ACTIONS) == before and daily_bars_state(lake) == states
    assert sessions_to_compact(lake, RAW_ACTIONS, 2) == []
    assert holds(lake, topic=ACTIONS)


def test_sessions_are_chosen_by_their_files(filled: str) -> None:
    assert sessions_to_compact(filled, RAW_TICKS, 3) == [None, DAY, NEXT_DAY]
    assert sessions_to_compact(filled, RAW_TICKS, 4) == []
    compact(filled, RAW_TICKS, DAY)
    assert sessions_to_compact(filled, RAW_TICKS, 3) == [None, NEXT_DAY]


def test_vacuum_keeps_what_time_travel_needs(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version = row_counts(filled), opened(filled).version()
    eight_days_ago = compaction.time.time() - 8 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr(compaction.time, "time", lambda: eight_days_ago)
        compact(filled, RAW_TICKS, DAY)
    compact(filled, RAW_TICKS, NEXT_DAY)
    now = opened(filled).version()
    assert vacuum(filled, RAW_TICKS, 7, dry_run=True) == 6
    assert opened(filled).version() == now
    assert vacuum(filled, RAW_TICKS, 7) == 6  # of DAY, not of NEXT_DAY
    assert vacuum(filled, RAW_TICKS, 7) == 0
    assert row_counts(filled) == before and holds(filled)
    yesterday = DeltaTable(f"{filled}/{RAW_TICKS.path}", version=version + 1)
    assert yesterday.to_pyarrow_table().num_rows == stored(filled).num_rows
    land(filled, [tick(1)])
    assert holds(filled)


def test_files_of_an_attempt_that_failed_are_vacuumed_when_old(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def fail() -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        meanwhile(patch, fail)
        compact(filled, RAW_TICKS, DAY)
    orphans = list(Path(filled).rglob("compacted-*.parquet"))
    assert len(orphans) == 2
    assert vacuum(filled, RAW_TICKS, 7) == 0
    for orphan in orphans:
        os.utime(orphan, (0, 0))
    assert vacuum(filled, RAW_TICKS, 7) == 2
    assert holds(filled)


def test_less_than_a_week_is_refused(lake: str) -> None:
    with pytest.raises(PermanentError, match="keep at least 7 days"):
        vacuum(lake, RAW_TICKS, 6)


values = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=3),
        "items": st.none() | st.lists(st.none() | st.sampled_from(["", "a", "b", "ab"]), max_size=3),
        "number": st.none() | st.integers(-3, 3),
        "price": st.none() | st.sampled_from([0.0, -0.0, 1.5, 2.0]),
        "flag": st.none() | st.booleans(),
        "payload": st.none() | st.binary(max_size=2),
        "day": st.none() | st.sampled_from([DAY, NEXT_DAY]),
    }
)
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "items": pa.list_(pa.string()),
        "number": pa.int64(),
        "price": pa.float64(),
        "flag": pa.bool_(),
        "payload": pa.binary(),
        "day": pa.date32(),
    }
)


@settings(deadline=None)
@given(st.lists(values, max_size=6), st.lists(values, max_size=6), st.randoms())
def test_the_digest_is_equal_exactly_for_the_same_rows(
    one: list[dict[str, Any]], other: list[dict[str, Any]], random: Any
) -> None:
    def digest(rows: list[dict[str, Any]]) -> object:
        return row_digest(pa.Table.from_pylist(rows, schema=SCHEMA))

    shuffled = random.sample(one, len(one))
    assert digest(shuffled) == digest(one)
    table = pa.Table.from_pylist(one, schema=SCHEMA)
    parts = pa.concat_tables([table.slice(2), table.slice(0, 2)])
    assert row_digest(parts) == digest(one)

    def in_order(rows: list[dict[str, Any]]) -> list[str]:
        return sorted(repr([row[name] for name in SCHEMA.names]) for row in rows)

    assert (digest(one) == digest(other)) == (in_order(one) == in_order(other))
    if one:
        assert digest(one) != digest([*one, one[0]]) != digest([*one, one[0], one[0]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": ["a", "b"], "next": ["x", "y"]}, {"text": ["a", "b"], "next": ["y", "x"]}),
        ({"text": ["a"], "next": ["b"]}, {"text": ["b"], "next": ["a"]}),
        ({"text": [None], "next": ["a"]}, {"text": ["a"], "next": [None]}),
        ({"items": [["a", "b"]]}, {"items": [["b", "a"]]}),
        ({"items": [["ab"]]}, {"items": [["a", "b"]]}),
        ({"items": [["a"], ["b"]]}, {"items": [["a", "b"], []]}),
        ({"items": [[], ["a"]]}, {"items": [None, ["a"]]}),
        ({"items": [[None, "a"]]}, {"items": [["a"]]}),
        ({"text": [""]}, {"text": [None]}),
        ({"price": [0.0]}, {"price": [-0.0]}),
        ({"number": [0]}, {"number": [None]}),
    ],
)
def test_the_digest_tells_apart_what_is_nearly_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    def digest(columns: dict[str, Any]) -> object:
        types = {**{field.name: field.type for field in SCHEMA}, "next": pa.string()}
        return row_digest(pa.table({name: pa.array(values, types[name]) for name, values in columns.items()}))

    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_accepted_rows_are_those_that_were_landed(filled: str) -> None:
    compact(filled, RAW_TICKS, DAY)
    assert set(accepted(filled).values()) == {1} and accepted(filled).total() == 48
