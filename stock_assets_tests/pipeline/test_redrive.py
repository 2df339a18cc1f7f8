"""Redrive: what is good by today's rules is accepted under its own offsets, in bounded commits, and its sessions told."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from stock_assets.domain.messages import Action, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.lake.staleness import daily_bars_state, raw_state
from stock_assets.landing.plan import next_offset
from stock_assets.landing.prepare import Limits
from stock_assets.raw.redrive import redrive, transaction_id
from stock_assets.topic.topics import ACTIONS
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
    STORED_MS,
    TOPIC_ID,
    VALUES,
    Payload,
    accepted,
    counts,
    holds,
    in_quarantine,
    land,
    opened,
    redrive_all,
    row_counts,
    stored,
    tick,
)


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
    before = raw_state(lake).inputs
    redrive_all(lake)
    after = raw_state(lake).inputs
    assert after[other] == before[other]
    assert after[DAY]["ticks"]["topic-on/0"] == [3, 5]
    assert after[NEXT_DAY]["ticks"]["topic-on/0"] == [1, 3] and NEXT_DAY not in before


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
    assert json.loads(daily_bars_state(lake)[DAY])["inputs"]["actions"] == 0
    (done,) = redrive(lake, ACTIONS)
    assert done.sessions == {DAY: 1}
    assert json.loads(daily_bars_state(lake)[DAY])["inputs"]["actions"] == 1
    assert holds(lake, topic=ACTIONS)


def test_a_topic_created_again_is_redriven_apart(lake: str) -> None:
    for topic_id in ("topic-a", "topic-b"):
        land(lake, VALUES, strict=True, topic_id=topic_id)
    assert [(part.topic_id, part.accepted) for part in redrive_all(lake)] == [("topic-a", 2), ("topic-b", 2)]
    assert set(accepted(lake).values()) == {1} and holds(lake)


def test_an_empty_lake_has_nothing_to_redrive(lake: str) -> None:
    assert redrive_all(lake) == []
