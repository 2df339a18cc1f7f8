"""Which sessions are stale, from fingerprints alone."""

from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stock_assets.lake import staleness
from stock_assets.lake.staleness import GONE, built_from, record_built, stale_sessions

DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)
fingerprints = st.dictionaries(st.dates(date(2013, 1, 1), date(2013, 1, 9)), st.sampled_from(["a", "b"]))


def test_new_changed_and_vanished_sessions_are_stale() -> None:
    assert stale_sessions({DAY: "a"}, {}) == [DAY]
    assert stale_sessions({DAY: "b"}, {DAY: "a"}) == [DAY]
    assert stale_sessions({}, {DAY: "a"}) == [DAY]
    assert stale_sessions({DAY: "a"}, {DAY: "a", NEXT_DAY: GONE}) == []


@given(fingerprints, fingerprints)
def test_building_what_is_stale_leaves_nothing_stale(now: dict[date, str], built: dict[date, str]) -> None:
    after = built | {day: now.get(day, GONE) for day in stale_sessions(now, built)}
    assert stale_sessions(now, after) == []


def test_the_newest_statement_wins_and_survives_compaction(tmp_path: Path) -> None:
    lake = str(tmp_path)
    for number in range(staleness.COMPACT_AFTER_FILES + 3):
        record_built(lake, "bars/daily_bars", {DAY: f"a{number}"})
    record_built(lake, "metrics/daily_metrics", {DAY: "m"})
    assert built_from(lake, "bars/daily_bars") == {DAY: f"a{staleness.COMPACT_AFTER_FILES + 2}"}
    assert built_from(lake, "metrics/daily_metrics") == {DAY: "m"}
    handle = staleness.open_table(lake, staleness.BUILT_FROM)
    assert handle is not None and handle.get_add_actions().num_rows < 10
