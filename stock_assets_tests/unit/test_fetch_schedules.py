"""When vendors are asked: by the exchange's calendar and clock, once a session after its close, and hourly before."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from stock_assets.defs.fetch_schedules import LOOK_BACK, fetch_schedules
from stock_assets.domain.sessions import EXCHANGE_ZONE, sessions_between
from stock_assets.settings.platform import Settings

AFTER_CLOSE, WHILE_OPEN = "fetch_after_close", "fetch_while_open"
SETTINGS = Settings({"HISTORY_SOURCES": "yahoo"})


def ask(name: str, moment: str, settings: Settings = SETTINGS) -> dg.RunRequest | None:
    """What the schedule asks for at a moment of New York; None for nothing."""
    at = datetime.fromisoformat(moment).replace(tzinfo=EXCHANGE_ZONE)
    found = named(name, settings)(dg.build_schedule_context(scheduled_execution_time=at))
    return found if isinstance(found, dg.RunRequest) else None


def named(name: str, settings: Settings = SETTINGS) -> dg.ScheduleDefinition:
    (schedule,) = (each for each in fetch_schedules(settings) if each.name == name)
    return schedule


def keys(name: str, day: str) -> list[str]:
    """The moments of a weekday at which the schedule looks, by its cron, and asks, as HH:MM."""
    minutes, hours, *_ = str(named(name).cron_schedule).split()
    first, last = map(int, hours.split("-"))
    step = int(minutes.removeprefix("*/")) or 60
    moments = [f"{hour:02}:{minute:02}" for hour in range(first, last + 1) for minute in range(0, 60, step)]
    return [moment for moment in moments if ask(name, f"{day} {moment}")]


@pytest.mark.parametrize(
    ("day", "first"),
    [
        ("2024-11-27", "16:20"),
        ("2024-11-29", "13:20"),  # the day after Thanksgiving
        ("2024-03-11", "16:20"),  # New York's clock was set forward the day before
    ],
)
def test_after_the_close_half_days_too(day: str, first: str) -> None:
    asked = keys(AFTER_CLOSE, day)
    assert asked[0] == first and asked[-1] == "23:55"
    requests = [ask(AFTER_CLOSE, f"{day} {moment}") for moment in asked]
    assert {each.run_key for each in requests if each} == {f"after close of {day}"}  # of which Dagster starts one run


@pytest.mark.parametrize("day", ["2024-11-28", "2024-12-25", "2024-11-30"])
def test_never_without_a_session(day: str) -> None:
    assert keys(AFTER_CLOSE, day) == keys(WHILE_OPEN, day) == []


def test_hourly_while_the_market_is_open() -> None:
    assert keys(WHILE_OPEN, "2024-11-27") == [f"{hour}:00" for hour in range(10, 16)]
    assert keys(WHILE_OPEN, "2024-11-29") == ["10:00", "11:00", "12:00"]


def test_what_earlier_fetches_missed_is_asked_for_too() -> None:
    request = ask(AFTER_CLOSE, "2024-11-27 16:30")
    assert request is not None and request.partition_key == "2024-11-27"
    first = request.run_config["ops"]["sources__history"]["config"]["first"]
    assert date.fromisoformat(first) == sessions_between(date(2024, 11, 27) - LOOK_BACK, date(2024, 11, 27))[0]
    young = Settings({"HISTORY_SOURCES": "yahoo", "FIRST_SESSION": "2024-11-26"})
    limited = ask(AFTER_CLOSE, "2024-11-27 16:30", young)
    assert limited is not None and limited.run_config["ops"]["sources__history"]["config"]["first"] == "2024-11-26"
    assert LOOK_BACK > timedelta(days=30)


@pytest.mark.parametrize(
    ("given", "running"),
    [({"HISTORY_SOURCES": "yahoo"}, True), ({}, False), ({"HISTORY_SOURCES": "yahoo", "AUTOMATIC": "false"}, False)],
)
def test_they_run_where_vendors_are_named(given: dict[str, str], running: bool) -> None:
    expected = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    assert {each.default_status for each in fetch_schedules(Settings(given))} == {expected}
