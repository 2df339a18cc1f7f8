"""Compaction: fewer files, the same rows, and vacuum keeps what time travel needs."""

import json
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.messages import Action, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_ACTIONS, RAW_TICKS
from stock_assets.lake.staleness import daily_bars_state, raw_state
from stock_assets.landing.plan import known_topic_ids, next_offset
from stock_assets.raw.compaction import compact, sessions_to_compact, vacuum
from stock_assets.topic.topics import ACTIONS
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    TOPIC_ID,
    accepted,
    files,
    holds,
    land,
    opened,
    row_counts,
    stored,
    tick,
)


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
    before = raw_state(filled).inputs
    assert before[DAY]["ticks"] == {"topic-on/0": [12, 27], "topic-on/1": [12, 27]}
    for day in (DAY, None):
        assert compact(filled, RAW_TICKS, day).done
    assert raw_state(filled).inputs == before
    assert known_topic_ids(opened(filled)) == {TOPIC_ID}


def test_topics_of_one_partition_stay_in_files_of_their_own(lake: str) -> None:
    for topic_id in ("topic-a", "topic-b", "topic-c"):
        for number in range(2):
            land(lake, [tick(number)], topic_id=topic_id)
    before = raw_state(lake).inputs
    assert compact(lake, RAW_TICKS, DAY).files_after == 3
    assert raw_state(lake).inputs == before
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
    before = raw_state(lake).inputs
    target = sum((Path(lake) / RAW_TICKS.path / path).stat().st_size for path in files(lake, DAY)) // 3
    done = compact(lake, RAW_TICKS, DAY, target_bytes=target)
    assert done.files_after == 4  # each of at most a third of what the rows took
    assert not compact(lake, RAW_TICKS, DAY, target_bytes=target).done
    assert raw_state(lake).inputs == before
    settled = set(files(lake, DAY))
    land(lake, [tick(1)])
    small = min((Path(lake) / RAW_TICKS.path / path).stat().st_size for path in settled)
    assert not compact(lake, RAW_TICKS, DAY, target_bytes=small).done or settled <= set(files(lake, DAY))
    assert holds(lake)


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
    eight_days_ago = time.time() - 8 * 86_400
    with monkeypatch.context() as patch:
        patch.setattr("stock_assets.raw.compaction.time.time", lambda: eight_days_ago)
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


def test_less_than_a_week_is_refused(lake: str) -> None:
    with pytest.raises(PermanentError, match="keep at least 7 days"):
        vacuum(lake, RAW_TICKS, 6)


def test_accepted_rows_are_those_that_were_landed(filled: str) -> None:
    compact(filled, RAW_TICKS, DAY)
    assert set(accepted(filled).values()) == {1} and accepted(filled).total() == 48
