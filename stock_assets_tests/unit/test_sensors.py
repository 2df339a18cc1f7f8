"""When a sensor asks for a run, and when it waits."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from stock_assets.defs import sensors
from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags, sessions_of_tags
from stock_assets.defs.pacing import Pacing, seconds_to_wait
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.defs.sensors import drain_sensor, staleness_sensor
from stock_assets.observability.orchestration import topic_tag
from stock_assets.settings.platform import Settings
from stock_assets_tests.patience import Clock

PARTITIONS = session_partitions(date(2013, 1, 2))


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.mark.parametrize(
    ("lag", "waited_s", "due"), [(99, 0.0, False), (100, 0.0, True), (1, 29.9, False), (1, 30.0, True)]
)
def test_a_landing_waits_for_rows_or_for_the_longest_delay(lag: int, waited_s: float, due: bool) -> None:
    pacing = Pacing(min_rows=100, max_delay_s=lambda stage: {"ticks": 30, "bars": 60}[stage])
    since = {"ticks": 1000.0, "bars": 1000.0}
    assert (pacing.seconds_left({"ticks": lag}, since, 1000.0 + waited_s) <= 0) is due
    assert (pacing.seconds_left({"ticks": 1, "bars": lag - 1}, since, 1000.0 + waited_s) <= 0) is due
    assert pacing.seconds_left({"bars": 1}, since, 1000.0 + waited_s) == pytest.approx(60 - waited_s)


def look_for_lag(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    lags: dict[str, Any],
    cursor: str | None = None,
    leads: bool = False,
) -> dg.SensorResult | dg.SkipReason:
    monkeypatch.setattr(sensors, "read_lags", lambda *_: lags)
    monkeypatch.setattr("stock_assets.topic.leadership.somebody_leads", lambda _: leads)
    settings = Settings({"LANDING_MIN_ROWS": "10", "LANDING_MAX_DELAY_S": "3600"})
    context = dg.build_sensor_context(
        instance, cursor=cursor, resources={"lake": Lake(root="x"), "kafka": Kafka(bootstrap="x")}
    )
    result: Any = drain_sensor(settings, dg.DefaultSensorStatus.STOPPED)(context)
    return result


def test_the_drain_sensor_asks_only_for_topics_that_lag(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look_for_lag(instance, monkeypatch, {"ticks": 11, "bars": 0, "actions": 0})
    assert isinstance(result, dg.SensorResult) and result.run_requests
    (request,) = result.run_requests
    assert request.asset_selection == [dg.AssetKey(["raw", "ticks"])]
    assert request.run_key is None  # a used key would block the next attempt for ever
    observed = {event.asset_key.to_user_string(): event.metadata["lag"].value for event in result.asset_events}
    assert observed == {"kafka/realtime": 11, "kafka/batch": 0, "kafka/actions": 0}


def test_the_drain_sensor_stands_by_while_somebody_lands_continuously(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look_for_lag(instance, monkeypatch, {"ticks": 11}, leads=True)
    assert isinstance(result, dg.SkipReason) and "continuous landing" in str(result.skip_message)


def test_the_drain_sensor_waits_while_few_records_wait(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look_for_lag(instance, monkeypatch, {"ticks": 3, "bars": 0, "actions": 0})
    assert isinstance(result, dg.SensorResult) and not result.run_requests
    assert "3 records wait" in str(result.skip_reason)
    again = look_for_lag(instance, monkeypatch, {"ticks": 3, "bars": 0, "actions": 0}, result.cursor)
    assert isinstance(again, dg.SensorResult) and again.asset_events == []  # lag is observed when it changes


def test_records_that_came_since_the_last_empty_look_may_have_waited_since_then(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = look_for_lag(instance, monkeypatch, {"ticks": 0}, '{"lags": {}, "waiting_since": {"ticks": 0}}')
    assert isinstance(empty, dg.SensorResult) and not empty.run_requests and empty.cursor
    assert json.loads(empty.cursor)["waiting_since"]["ticks"] > 0  # an empty look starts the wait anew
    long_ago = look_for_lag(instance, monkeypatch, {"ticks": 1}, '{"lags": {}, "waiting_since": {"ticks": 0}}')
    assert isinstance(long_ago, dg.SensorResult) and long_ago.run_requests


def test_the_drain_sensor_waits_for_the_drain_in_flight(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.STARTED)
    result = look_for_lag(instance, monkeypatch, {"ticks": 10**6})
    assert isinstance(result, dg.SkipReason) and "in flight" in str(result.skip_message)


def asked_for(result: dg.SensorResult | dg.SkipReason) -> list[list[str]]:
    """The stages of each drain that was asked for."""
    assert isinstance(result, dg.SensorResult)
    return [[key.path[-1] for key in request.asset_selection or []] for request in result.run_requests or []]


STOPPED = {"ticks": 11, "bars": 0, "actions": "actions was deleted and created again"}


def test_a_stopped_topic_fails_once_and_holds_back_no_other(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look_for_lag(instance, monkeypatch, STOPPED)
    assert sorted(asked_for(first)) == [["actions"], ["ticks"]]
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.FAILURE, topic_tag("actions"))
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.SUCCESS, topic_tag("ticks"))
    second = look_for_lag(instance, monkeypatch, {**STOPPED, "ticks": 3}, first.cursor)  # type: ignore[union-attr]
    assert asked_for(second) == []  # few records, and the reason was told
    assert "deleted and created again" in str(second.skip_reason)  # type: ignore[union-attr]
    third = look_for_lag(instance, monkeypatch, {**STOPPED, "ticks": 99}, second.cursor)  # type: ignore[union-attr]
    assert asked_for(third) == [["ticks"]]


def test_a_topic_that_was_adopted_is_landed_without_waiting_out_its_failures(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = look_for_lag(instance, monkeypatch, STOPPED)
    for _ in range(4):
        add_run(instance, DRAIN.name, dg.DagsterRunStatus.FAILURE, topic_tag("actions"))
    adopted = look_for_lag(instance, monkeypatch, {"actions": 50}, stopped.cursor)  # type: ignore[union-attr]
    assert asked_for(adopted) == [["actions"]]


def test_each_topic_waits_out_its_own_failures(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sensors, "seconds_to_wait", lambda _i, _j, _n, tags, _s: 9.0 if topic_tag("bars") in tags else 0.0
    )
    assert asked_for(look_for_lag(instance, monkeypatch, {"ticks": 11, "bars": 11, "actions": 11})) == [
        ["ticks"],
        ["actions"],
    ]


def test_a_drain_in_flight_holds_back_its_own_topics_alone(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.STARTED, topic_tag("bars"))
    assert asked_for(look_for_lag(instance, monkeypatch, {"ticks": 11, "bars": 11})) == [["ticks"]]


def test_a_clock_that_was_set_back_delays_nothing(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = look_for_lag(instance, monkeypatch, {"ticks": 1}, '{"lags": {}, "waiting_since": {"ticks": 9e12}}')
    assert isinstance(result, dg.SensorResult) and result.cursor
    assert json.loads(result.cursor)["waiting_since"]["ticks"] < 9e12
    assert "for 3600 s" in str(result.skip_reason)


def test_failures_in_a_row_are_waited_out_longer_and_longer(instance: dg.DagsterInstance) -> None:
    waits = []
    for _ in range(3):
        add_run(instance, DRAIN.name, dg.DagsterRunStatus.FAILURE)
        waits.append(seconds_to_wait(instance, DRAIN.name, now=0.0))
    ended = instance.get_run_records(limit=1)[0].end_time or 0.0
    assert [round(wait - ended) for wait in waits] == [10, 20, 40]
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.SUCCESS)
    assert seconds_to_wait(instance, DRAIN.name, now=0.0) == 0.0


VERSIONS = {"rules": 1, "raw/ticks": 1, "raw/bars": 1, "bars/daily_bars": 1}


def look_for_staleness(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    stale: list[date],
    cursor: str | None = None,
    versions: dict[str, int] = VERSIONS,
    **values: str,
) -> dg.SensorResult | dg.SkipReason:
    monkeypatch.setattr(sensors, "table_versions", lambda *_: versions)
    monkeypatch.setattr(sensors, "stale_sessions", lambda *_: stale)
    context = dg.build_sensor_context(instance, cursor=cursor, resources={"lake": Lake(root="x")})
    result: Any = staleness_sensor(PARTITIONS, Settings(values), dg.DefaultSensorStatus.STOPPED)(context)
    return result


def asks(result: dg.SensorResult | dg.SkipReason) -> bool:
    return isinstance(result, dg.SensorResult) and bool(result.run_requests)


def test_all_stale_sessions_are_one_build(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    # Friday and Monday follow each other; Wednesday stands alone.
    stale = [date(2013, 10, 4), date(2013, 10, 7), date(2013, 10, 9)]
    result = look_for_staleness(instance, monkeypatch, stale)
    assert isinstance(result, dg.SensorResult) and result.run_requests
    (request,) = result.run_requests
    assert sessions_of_tags(request.tags) == (stale[0], stale[2])
    assert request.run_config == build_config(stale[0], stale[2])


def test_nothing_stale_is_remembered_until_a_table_changes(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look_for_staleness(instance, monkeypatch, [])
    assert isinstance(first, dg.SensorResult) and not asks(first)
    stale = [date(2013, 10, 7)]
    assert not asks(look_for_staleness(instance, monkeypatch, stale, first.cursor))  # nobody looked
    assert asks(look_for_staleness(instance, monkeypatch, stale, first.cursor, {**VERSIONS, "raw/ticks": 2}))


def test_a_touch_during_a_build_is_seen_after_it(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = add_run(instance, BUILD.name, dg.DagsterRunStatus.STARTED)
    waiting = look_for_staleness(instance, monkeypatch, [date(2013, 10, 7)])
    assert isinstance(waiting, dg.SkipReason)
    end_run(instance, run_id)
    assert asks(look_for_staleness(instance, monkeypatch, [date(2013, 10, 7)]))


def test_what_a_drain_in_flight_lands_is_built_together_but_nothing_waits_for_drains_without_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale, clock = [date(2013, 10, 7)], Clock(datetime(2013, 10, 8, tzinfo=UTC))
    monkeypatch.setattr("stock_assets.defs.sensors.time.time", lambda: clock.now.timestamp())
    run_id = add_run(instance, DRAIN.name, dg.DagsterRunStatus.STARTED)
    held = look_for_staleness(instance, monkeypatch, stale)
    assert isinstance(held, dg.SensorResult) and not asks(held)
    assert "in flight" in str(held.skip_reason)
    end_run(instance, run_id)
    assert asks(look_for_staleness(instance, monkeypatch, stale, held.cursor))
    add_run(instance, DRAIN.name, dg.DagsterRunStatus.STARTED)
    clock.now += timedelta(seconds=sensors.LONGEST_HOLD_S - 1)
    held = look_for_staleness(instance, monkeypatch, stale, held.cursor)
    assert isinstance(held, dg.SensorResult) and not asks(held)
    clock.now += timedelta(seconds=1)
    assert asks(look_for_staleness(instance, monkeypatch, stale, held.cursor))
    ended = look_for_staleness(instance, monkeypatch, [], held.cursor)
    assert isinstance(ended, dg.SensorResult) and sensors.HELD not in json.loads(ended.cursor or "")


def test_a_session_that_only_the_fictional_market_moves_is_built_now_and_then(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, clock = date(2013, 10, 7), Clock(datetime(2013, 10, 7, 15, tzinfo=UTC))
    monkeypatch.setattr("stock_assets.defs.sensors.time.time", lambda: clock.now.timestamp())
    asked = look_for_staleness(instance, monkeypatch, [today])
    assert isinstance(asked, dg.SensorResult) and asks(asked)
    monkeypatch.setattr(sensors, "last_end", lambda *_: clock.now.timestamp())
    landed = {**VERSIONS, "raw/ticks": 2, "bars/daily_bars": 2}
    later = look_for_staleness(instance, monkeypatch, [today], asked.cursor, landed)
    assert isinstance(later, dg.SensorResult) and not asks(later)
    # others are not kept waiting by it: another session, a vendor's bar, a lake without the market
    assert asks(
        look_for_staleness(instance, monkeypatch, [date(2013, 10, 4), today], later.cursor, {**landed, "raw/ticks": 3})
    )
    assert asks(look_for_staleness(instance, monkeypatch, [today], later.cursor, {**landed, "raw/bars": 2}))
    assert asks(look_for_staleness(instance, monkeypatch, [today], asked.cursor, landed, LIVE_DEMO="0"))
    monkeypatch.setattr(sensors, "last_end", lambda *_: clock.now.timestamp() - sensors.FICTIONAL_PACE_S)
    assert not asks(
        look_for_staleness(instance, monkeypatch, [today], later.cursor, landed)
    )  # until the time that it told
    clock.now += timedelta(seconds=sensors.FICTIONAL_PACE_S)
    assert asks(look_for_staleness(instance, monkeypatch, [today], later.cursor, landed))


def test_a_cursor_of_an_earlier_release_is_no_reason_to_wait(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for old in ("held since 1760000000.0", '{"raw/ticks": 1}'):
        assert asks(look_for_staleness(instance, monkeypatch, [date(2013, 10, 7)], old))


def test_a_build_tells_dagster_of_its_last_session_and_the_reader_of_all() -> None:
    assert build_partition(date(2013, 10, 7)) == "2013-10-07"
    assert build_tags(date(2013, 10, 4), date(2013, 10, 7)) == {"stock_assets/sessions": "2013-10-04 to 2013-10-07"}


def add_run(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, *tags: str) -> str:
    run = dg.DagsterRun(job_name=job, status=status, tags=dict.fromkeys(tags, "yes"))
    instance.add_run(run)
    return run.run_id


def end_run(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_canceled(run)
