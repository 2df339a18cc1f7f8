"""Which sessions are stale, from fingerprints alone."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.finding_tables import ANOMALIES, PATTERNS
from stock_assets.domain.stages import STAGES, WAREHOUSE, rules_of
from stock_assets.domain.state_tables import BUILT_FROM
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS
from stock_assets.lake import built
from stock_assets.lake.built import built_from, made_by_other_rules, record_built
from stock_assets.lake.fingerprints import GONE, fingerprints
from stock_assets.lake.staleness import stale_sessions
from stock_assets.lake.tables import open_table

DAY, NEXT_DAY = date(2013, 10, 7), date(2013, 10, 8)
texts = st.dictionaries(st.dates(date(2013, 1, 1), date(2013, 1, 9)), st.sampled_from(["a", "b"]))


def test_new_changed_and_vanished_sessions_are_stale() -> None:
    assert stale_sessions({DAY: "a"}, {}) == [DAY]
    assert stale_sessions({DAY: "b"}, {DAY: "a"}) == [DAY]
    assert stale_sessions({}, {DAY: "a"}) == [DAY]
    assert stale_sessions({DAY: "a"}, {DAY: "a", NEXT_DAY: GONE}) == []


@given(texts, texts)
def test_building_what_is_stale_leaves_nothing_stale(now: dict[date, str], built: dict[date, str]) -> None:
    after = built | {day: now.get(day, GONE) for day in stale_sessions(now, built)}
    assert stale_sessions(now, after) == []


def test_the_newest_statement_wins_and_survives_compaction(tmp_path: Path) -> None:
    lake = str(tmp_path)
    for number in range(built.COMPACT_AFTER_FILES + 3):
        record_built(lake, "bars/daily_bars", {DAY: f"a{number}"})
    record_built(lake, "metrics/daily_metrics", {DAY: "m"})
    assert built_from(lake, "bars/daily_bars") == {DAY: f"a{built.COMPACT_AFTER_FILES + 2}"}
    assert built_from(lake, "metrics/daily_metrics") == {DAY: "m"}
    handle = open_table(lake, BUILT_FROM)
    assert handle is not None and handle.get_add_actions().num_rows < 10


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        (MINUTE_BARS.path, set(STAGES)),
        (DAILY_BARS.path, set(STAGES) - {MINUTE_BARS.path, ANOMALIES.path}),
        (DAILY_METRICS.path, {DAILY_METRICS.path, WAREHOUSE, PATTERNS.path}),
        (WAREHOUSE, {WAREHOUSE}),
    ],
)
def test_other_rules_make_a_stage_and_what_depends_on_it_stale_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, changed: str, stale: set[str]
) -> None:
    inputs = {DAY: {"rows": 3}, NEXT_DAY: {"rows": 4}}
    built = {stage: fingerprints(stage, inputs) for stage in STAGES}
    monkeypatch.setitem(STAGES, changed, replace(STAGES[changed], rules=99))
    found = {stage for stage in STAGES if stale_sessions(fingerprints(stage, inputs), built[stage])}
    assert found == stale
    assert all(stale_sessions(fingerprints(stage, inputs), built[stage]) == [DAY, NEXT_DAY] for stage in stale)


def test_whatever_joins_a_stage_s_rules_makes_it_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a digest of the rules that its rows must keep will."""
    lake, stage = str(tmp_path), DAILY_METRICS.path
    record_built(lake, stage, fingerprints(stage, {DAY: {"rows": 3}}))
    assert made_by_other_rules(lake, stage, [DAY]) == []
    more = rules_of(stage) | {DAILY_BARS.path: {"version": 1, "quality": "a1"}}
    monkeypatch.setattr("stock_assets.lake.fingerprints.rules_of", lambda _: more)
    assert made_by_other_rules(lake, stage, [DAY]) == [DAY]


@pytest.mark.parametrize("old", ["rows=3 revision=7 actions=0", '{"rules": "1", "bars": {"a/0": [3, 9]}}', "[]", "1"])
def test_a_fingerprint_of_another_form_is_stale_once(tmp_path: Path, old: str) -> None:
    lake, stage = str(tmp_path), DAILY_METRICS.path
    now = fingerprints(stage, {DAY: {"rows": 3}})
    record_built(lake, stage, {DAY: old, NEXT_DAY: GONE})
    assert stale_sessions(now, built_from(lake, stage)) == made_by_other_rules(lake, stage, [DAY, NEXT_DAY]) == [DAY]
    record_built(lake, stage, now)
    assert stale_sessions(now, built_from(lake, stage)) == made_by_other_rules(lake, stage, [DAY, NEXT_DAY]) == []


def test_a_session_that_was_never_recorded_may_have_rows_of_other_rules(tmp_path: Path) -> None:
    """Its rows were stored, and the run ended before it was remembered."""
    assert made_by_other_rules(str(tmp_path), DAILY_METRICS.path, [DAY]) == [DAY]
