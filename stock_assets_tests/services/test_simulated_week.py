"""A week of sessions with what goes wrong in one, on one clock: which alerts came, and what the promise came to.

Real are the broker, Spark, the warehouse, yfinance, all jobs and facts, and the alerts; simulated are Yahoo and the time. The
collector looks once a minute around what happens, as it does under `up`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import tenacity.nap
import time_machine

from stock_assets.definitions import build_definitions
from stock_assets.defs.fetch_schedules import SETTLE, fetch_schedules
from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.service_level import minutes_to_complete, promised_since, service_level
from stock_assets.domain.sessions import EXCHANGE_ZONE, session
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.lake.milestones import read_milestones
from stock_assets.lake.tables import read_sessions
from stock_assets.observability.fact import Fact
from stock_assets.observability.orchestration import observed, topic_tag
from stock_assets.observability.runs import run_facts
from stock_assets.observability.sessions import late_facts, stale_sessions, withheld_facts
from stock_assets.quality.withheld import withheld_texts
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.settings.warehouse import Snowflake
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import create_topics
from stock_assets_tests.fakes.alerted_platform import EVERY_S, Platform
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing

BEFORE, MONDAY, TUESDAY, WEDNESDAY, HALF_DAY, LAST = (
    date(2025, 11, 21), date(2025, 11, 24), date(2025, 11, 25), date(2025, 11, 26), date(2025, 11, 28), date(2025, 12, 1),
)  # fmt: skip
WEEK = (MONDAY, TUESDAY, WEDNESDAY, HALF_DAY, LAST)
SYMBOLS = ("WKA", "WKB")


class Week:
    """The platform of that week; ``told`` has each alert with the time at which it came."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, folder: Path) -> None:
        self.settings, self.instance = settings, instance
        self.definitions = build_definitions(settings)
        self.alerts = Platform(folder)
        self.told: list[tuple[datetime, str]] = []

    def run(self, job: str, day: date | None, config: dict[str, Any] | None = None, **tags: str) -> bool:
        """A run as a sensor or a schedule asks for it; whether it succeeded."""
        done = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=None if day is None else str(day), run_config=config, raise_on_error=False,
            tags={"dagster/sensor_name": "by_the_clock", **tags},
        )  # fmt: skip
        return bool(done.success)

    def fetch(self, at: datetime) -> bool:
        """What the schedule after the close asks for."""
        (schedule,) = (each for each in fetch_schedules(self.settings) if each.name == "fetch_after_close")
        request = schedule(dg.build_schedule_context(scheduled_execution_time=at))
        assert isinstance(request, dg.RunRequest) and request.partition_key
        done = self.run("fetch", date.fromisoformat(request.partition_key), dict(request.run_config))
        self.bring_up_to_date()
        return done

    def bring_up_to_date(self) -> None:
        """What the sensors ask for when records wait and sessions are stale."""
        assert self.run(DRAIN.name, None, **{topic_tag("bars"): "yes"})
        stale = sorted({day for days in stale_sessions(self.settings).values() for day in days})
        if stale:
            first, last = stale[0], stale[-1]
            partition = date.fromisoformat(build_partition(last))
            assert self.run(BUILD.name, partition, build_config(first, last), **build_tags(first, last))

    def facts(self, now: datetime) -> Iterator[Fact]:
        """Those of `stock-assets doctor` that depend on what happened, not on services that run."""
        stale = stale_sessions(self.settings)
        yield from late_facts(read_milestones(self.settings.lake_root), now)
        yield from withheld_facts(self.settings.lake_root)
        seen = observed(self.instance, self.settings.lake_root)
        yield from (
            fact
            for fact in run_facts(self.settings, seen, any(stale.values()), now.timestamp())
            if fact.name == "failed_runs"
        )

    def watch(self, until: datetime) -> datetime:
        """Look once a minute; returns when it last did."""
        now = datetime.now(UTC)
        facts: list[Fact] | None = None
        while now < until:
            now += timedelta(seconds=EVERY_S)
            with time_machine.travel(now):
                facts = list(self.facts(now))
            before = len(self.alerts.taken)
            self.alerts.clock.now = now.timestamp()
            self.alerts.look(*facts, after_s=0.0)
            self.alerts.clock.monotonic += EVERY_S
            self.told += [(now, line) for sent in self.alerts.taken[before:] for line in lines_of(sent.body)]
        return now

    def high_of(self, day: date) -> Decimal:
        """What readers see of the first symbol's session."""
        rows = read_sessions(self.settings.lake_root, DAILY_METRICS, ["symbol", "high"], day, day).to_pylist()
        return next(row["high"] for row in rows if row["symbol"] == SYMBOLS[0])

    def service_levels(self, now: datetime) -> list[tuple[date, str, int | None]]:
        """Per session of the week the verdict, and the minutes from its close until it was complete."""
        milestones = read_milestones(self.settings.lake_root)
        since = promised_since(milestones, lambda day: session(day).close_time)
        return [
            (
                day,
                service_level(day, session(day).close_time, milestones[day], now, since),
                minutes_to_complete(session(day).close_time, milestones[day]),
            )
            for day in WEEK
        ]


def lines_of(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.startswith(("WRONG", "STILL WRONG", "well again"))]


def bar_of(day: date, high: float, known_at: datetime) -> Bar:
    return Bar(
        symbol=SYMBOLS[0], interval="1d", trading_day=day, start_time=instant(session(day).open_time), open=100.0,
        high=high, low=99.0, close=100.5, volume=1000, currency="USD", price_basis="as_traded", final=True, source="yahoo",
        known_at=instant(known_at),
    )  # fmt: skip


@pytest.fixture
def week(
    kafka: Broker,
    spark_connect: str,
    warehouse: Snowflake,
    yahoo: FakeYahoo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Week]:
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None))
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    given = {
        "LAKE_ROOT": str(tmp_path / "lake"), "DAGSTER_HOME": str(home), "SNOWFLAKE_SCHEMA": "WEEK", "SYMBOLS": ",".join(SYMBOLS),
        "FIRST_SESSION": str(BEFORE), "HISTORY_SOURCES": "yahoo", "YAHOO_PROXY": yahoo.proxy,
        "YAHOO_CA_BUNDLE": str(yahoo.ca_bundle), "KAFKA_TICKS_TOPIC": "week-ticks", "KAFKA_BARS_TOPIC": "week-bars",
        "KAFKA_ACTIONS_TOPIC": "week-actions",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    create_topics(settings.broker, 1)
    for symbol in SYMBOLS:
        yahoo.listings[symbol] = Listing([DailyBar(day, 100.0, 101.0, 99.0, 100.5, 1000) for day in (BEFORE, *WEEK)])
    with dg.DagsterInstance.get() as instance:
        yield Week(settings, instance, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_week_of_sessions(week: Week, yahoo: FakeYahoo) -> None:
    """Yahoo is away on Tuesday until 17:30; on Wednesday evening Monday's high is corrected to below its close, on Friday put right."""
    after, refused, highs = timedelta(minutes=90), list[str](), list[Decimal]()
    for day in WEEK:
        close = session(day).close_time
        with time_machine.travel(close + SETTLE):
            yahoo.recover()
            if day == TUESDAY:
                yahoo.fail("500", history_only=True)
            assert week.fetch(close + SETTLE) == (day != TUESDAY)
            now = week.watch(close + after)
        if day == TUESDAY:
            with time_machine.travel(now):
                yahoo.recover()
                assert week.fetch(now)
                week.watch(now + timedelta(minutes=10))
        if day in (WEDNESDAY, HALF_DAY):
            with time_machine.travel(now):
                publish(week.settings.broker, [bar_of(MONDAY, 100.49 if day == WEDNESDAY else 101.5, now)])
                week.bring_up_to_date()
                now = week.watch(now + timedelta(minutes=10))
                refused += withheld_texts(week.settings.lake_root)
                highs.append(week.high_of(MONDAY))
    levels = week.service_levels(now)
    for at, line in week.told:
        print(f"{at.astimezone(EXCHANGE_ZONE):%a %d %H:%M}  {line[:150]}")
    for day, verdict, minutes in levels:
        print(f"{day:%a %d}  close {session(day).close_time.astimezone(EXCHANGE_ZONE):%H:%M}  {verdict}  {minutes} min")
    availability = read_sessions(
        week.settings.lake_root, AVAILABILITY, ["symbol", "trading_day", "availability", "because"], MONDAY, LAST
    ).to_pylist()
    for row in sorted(availability, key=lambda row: (row["trading_day"], row["symbol"])):
        print(*row.values())
    print(*refused, f"Monday's high, as read: {highs}", sep="\n")
    (text,) = refused  # by Friday it is right, and nothing more is to be told
    assert text.startswith(f"{SYMBOLS[0]} {MONDAY}: what yahoo said on") and "does not count" in text
    assert highs == [Decimal(101), Decimal("101.5")]
    assert [verdict for _, verdict, _ in levels] == ["met", "missed", "met", "met", "met"]
    assert [minutes is not None and minutes <= 30 for *_, minutes in levels] == [True, False, True, True, True]
    told = [line for _, line in week.told]
    for wanted in ("WRONG  failed runs fetch", f"WRONG  service level {TUESDAY}"):
        assert sum(line.startswith(wanted) for line in told) == 1, told
        well = wanted.replace("WRONG", "well again")
        assert sum(line.startswith(well) for line in told) == 1, told
    late = next(at for at, line in week.told if f"service level {TUESDAY}" in line)
    assert late - (session(TUESDAY).close_time + timedelta(minutes=30)) <= timedelta(minutes=3)
    assert len(availability) == len(WEEK) * len(SYMBOLS)
    assert {row["availability"] for row in availability} <= {"available", "corrected"}
