"""When loads and models are asked for, what a session's service level is, and where hourly bars begin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.definitions import build_definitions
from stock_assets.defs.built_assets import MINUTE_BARS_KEY, WAREHOUSE_KEY
from stock_assets.defs.marts import LOADED_KEYS
from stock_assets.domain.bar_sizes import bar_starts
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.service_level import Milestones, minutes_to_complete, promised_since, service_level
from stock_assets.domain.sessions import all_sessions, session, sessions_between
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.settings.platform import Settings
from stock_assets.warehouse import models
from stock_assets.warehouse.hourly_bars import sum_up

FULL, HALF = date(2024, 7, 2), date(2024, 7, 3)


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_definitions(Settings({"FIRST_SESSION": "2024-01-02", "STOCK_ASSETS_LOCAL": "/nowhere"}))


def requested(
    defs: dg.Definitions, instance: dg.DagsterInstance, cursor: object = None
) -> tuple[set[dg.AssetKey], object]:
    """What the automation asks for now."""
    result = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)  # type: ignore[arg-type]
    below = [key for key in defs.resolve_asset_graph().get_all_asset_keys() if key.path[0] in ("marts", "serving")]
    keys = [*LOADED_KEYS, *below]
    return {key for key in keys if result.get_num_requested(key)}, result.cursor


def test_loads_and_all_models_below_follow_any_change_in_one_run(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    models_below = {key for key in graph.get_all_asset_keys() if key.path[0] in ("marts", "serving")}
    with dg.DagsterInstance.ephemeral() as instance:
        nothing, cursor = requested(defs, instance)
        assert nothing == set()
        instance.report_runless_asset_event(dg.AssetMaterialization(WAREHOUSE_KEY, partition="2024-07-02"))
        asked, cursor = requested(defs, instance, cursor)
        assert asked == {*LOADED_KEYS, *models_below}
        assert requested(defs, instance, cursor)[0] == set()


def test_tables_for_bi_tools_are_loaded_later_where_the_loads_were_there_first_or_one_failed(
    defs: dg.Definitions,
) -> None:
    served = {key for key in defs.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "serving"}
    now = datetime(2024, 7, 2, 12, 1, tzinfo=UTC)

    def asked(cursor: object, minutes: int) -> tuple[set[dg.AssetKey], object]:
        at = now + timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor, evaluation_time=at)  # type: ignore[arg-type]
        return {key for key in served if result.get_num_requested(key)}, result.cursor

    with dg.DagsterInstance.ephemeral() as instance:
        nothing, cursor = asked(None, 0)
        assert nothing == set()
        assert asked(cursor, 10)[0] == set()  # there is nothing to load
        for key in LOADED_KEYS:
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        _, cursor = asked(cursor, 1)
        assert asked(cursor, 2)[0] == set()
        assert asked(cursor, 10)[0] == served
        for key in served:
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        nothing, cursor = asked(cursor, 11)
        assert nothing == set()
        assert asked(cursor, 30)[0] == set()


def test_nothing_is_asked_for_while_a_build_writes_what_is_read(defs: dg.Definitions) -> None:
    day = {"dagster/partition": "2024-07-02"}
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = requested(defs, instance)[1]
        build = instance.create_run_for_job(
            defs.resolve_job_def("build"), status=dg.DagsterRunStatus.STARTED, tags=day, asset_selection={WAREHOUSE_KEY}
        )
        instance.report_runless_asset_event(dg.AssetMaterialization(MINUTE_BARS_KEY, partition="2024-07-02"))
        asked, cursor = requested(defs, instance, cursor)
        assert asked == set()
        ended = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "build")
        instance.report_dagster_event(ended, build.run_id)
        assert requested(defs, instance, cursor)[0] >= set(LOADED_KEYS)


def test_a_stale_manifest_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models.check_manifest()
    monkeypatch.setattr(models, "digest", lambda: "another")
    with pytest.raises(PermanentError, match="make manifest"):
        models.check_manifest()


def test_the_manifest_holds_nothing_of_a_machine_or_moment() -> None:
    text = models.MANIFEST.read_text()
    assert str(Path.home()) not in text and str(models.PROJECT) not in text
    assert "generated_at" not in text and "invocation_id" not in text


@pytest.mark.parametrize(
    ("complete_after", "now_after", "verdict", "minutes"),
    [
        (30, 500, "met", 30),
        (-5, 500, "met", 0),
        (31, 500, "missed", 31),
        (None, 30, "open", None),
        (None, 31, "missed", None),
        (None, 100 * 24 * 60, "missed", None),
        (100 * 24 * 60, 200 * 24 * 60, "missed", 100 * 24 * 60),  # filling it in changes nothing
    ],
)
@pytest.mark.parametrize("day", [FULL, HALF])
def test_service_level(
    day: date, complete_after: int | None, now_after: int, verdict: str, minutes: int | None
) -> None:
    close = session(day).close_time
    seen = Milestones(None, None if complete_after is None else close + timedelta(minutes=complete_after))
    now = close + timedelta(minutes=now_after)
    assert service_level(day, close, seen, now, since=day) == verdict
    assert service_level(day, close, seen, now, since=None) == "not judged"
    assert service_level(day, close, seen, now, since=day + timedelta(days=1)) == "not judged"
    assert minutes_to_complete(close, seen) == minutes


def test_the_promise_begins_with_the_first_session_that_was_judged_while_new() -> None:
    def close_of(day: date) -> datetime:
        return session(day).close_time

    history = {
        day: Milestones(close_of(HALF), close_of(HALF)) for day in sessions_between(date(2013, 1, 2), date(2024, 6, 28))
    }
    assert promised_since(history, close_of) is None
    live = history | {HALF: Milestones(close_of(HALF) - timedelta(hours=1))}
    assert promised_since(live, close_of) == HALF
    later = live | {FULL: Milestones(close_of(FULL) + timedelta(days=9))}
    assert promised_since(later, close_of) == HALF


@given(st.sampled_from(all_sessions()), st.integers(1, 400))
def test_bars_cover_their_session_from_its_open(day: date, minutes: int) -> None:
    starts, hours = bar_starts(day, minutes), session(day)
    assert starts[0] == hours.open_time and starts[-1] < hours.close_time
    assert starts[-1] + timedelta(minutes=minutes) >= hours.close_time
    assert {later - earlier for earlier, later in pairwise(starts)} <= {timedelta(minutes=minutes)}


def test_hours_of_a_full_and_a_half_day() -> None:
    assert [f"{start:%H:%M}" for start in bar_starts(FULL, 60)][0::6] == ["13:30", "19:30"]
    assert len(bar_starts(HALF, 60)) == 4


def minute(
    start: datetime, price: int, volume: int | None, source: str = "yahoo", phase: str = "regular"
) -> dict[str, object]:
    prices = dict.fromkeys(("open", "high", "low", "close"), Decimal(price))
    return {
        "trading_day": start.date(), "symbol": "A", "source": source, "start_time": start, "phase": phase, **prices,
        "volume": None if volume is None else Decimal(volume), "currency": "USD", "vwap": None, "trade_count": None,
    }  # fmt: skip


def test_minutes_of_the_most_trusted_source_become_hours() -> None:
    opening = datetime(2024, 7, 2, 13, 30, tzinfo=UTC)
    minutes = [
        minute(opening - timedelta(minutes=1), 1, 1, phase="pre"),
        minute(opening, 10, 5),
        minute(opening + timedelta(minutes=30), 14, 5),
        minute(opening + timedelta(minutes=59), 12, 1),
        minute(opening + timedelta(minutes=60), 11, None),
        minute(opening, 99, 9, source="alpha_vantage"),
    ]
    bars = sum_up(
        pa.Table.from_pylist(minutes, schema=MINUTE_BARS.arrow_schema()), ["yahoo", "alpha_vantage"]
    ).to_pylist()
    told = [
        (f"{b['start_time']:%H:%M}", *(b[n] for n in ("open", "high", "low", "close", "volume", "minutes")))
        for b in bars
    ]
    assert told == [("13:30", 10, 14, 10, 12, 11, 3), ("14:30", 11, 11, 11, 11, None, 1)]
    assert {bar["source"] for bar in bars} == {"yahoo"}
