"""Each kind of failure, by the rules of its fact, is told once, with its cause and what to do, within three minutes; prints the table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from stock_assets.domain.service_level import Milestones
from stock_assets.domain.sessions import session
from stock_assets.landing.waiting import Waiting
from stock_assets.local.states import ServiceState
from stock_assets.observability import sessions
from stock_assets.observability.fact import Fact
from stock_assets.observability.machine import disk_facts
from stock_assets.observability.runs import LONGEST_SILENCE_S, FailedRun, Orchestration, daemon_fact, run_facts
from stock_assets.observability.sessions import late_facts, withheld_facts
from stock_assets.observability.topics import topic_facts
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS
from stock_assets_tests.fakes.alerted_platform import EVERY_S, Platform
from stock_assets_tests.fakes.quick_folder import quick_folder

SETTINGS = Settings({"STOCK_ASSETS_LOCAL": "/"})
HALF = date(2024, 11, 29)
CLOSE = session(HALF).close_time
BEFORE = {date(2024, 11, 27): Milestones(CLOSE - timedelta(days=2), CLOSE - timedelta(days=2))}
RUNNING, STOPPED = (ServiceState("dagster-daemon", state, 7, "-", 9) for state in ("running", "stopped"))


def withheld(wrong: bool) -> Iterable[Fact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "read_withheld", lambda *_: pa.table({"symbol": ["IBM"] * wrong}))
        yield from withheld_facts("/")


def disk(wrong: bool) -> Iterable[Fact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000 if wrong else 10**12))
        yield from disk_facts(SETTINGS)


def topic(wrong: bool) -> Iterable[Fact]:
    stopped = "the topic was created again, run: stock-assets adopt-topic ticks" if wrong else ""
    yield from topic_facts("ticks", Waiting(TICKS, {0: 0}, {0: 5 * wrong}, stopped), 3.0, 4.0)


def half_day(wrong: bool) -> Iterable[Fact]:
    now = CLOSE + timedelta(minutes=31)
    done = {} if wrong else {HALF: Milestones(CLOSE, CLOSE + timedelta(minutes=29))}
    yield from late_facts(BEFORE | done, now)


def build(wrong: bool) -> Iterable[Fact]:
    failed = [FailedRun("build", "build", "abcd", "no Spark Connect server answers", 0.0, 3)] if wrong else []
    yield from run_facts(SETTINGS, Orchestration(runs=True, failed=failed), stale=True, now=60.0)


def stopped_daemon(wrong: bool) -> Iterable[Fact]:
    yield daemon_fact(SETTINGS, Orchestration(heartbeats={"SENSOR": 12.0}), STOPPED if wrong else RUNNING)


def silent_daemon(wrong: bool) -> Iterable[Fact]:
    yield daemon_fact(SETTINGS, Orchestration(heartbeats={"SENSOR": LONGEST_SILENCE_S + wrong}), None)


KINDS: dict[str, tuple[Callable[[bool], Iterable[Fact]], str]] = {
    "a withheld bar": (withheld, "break a critical rule"),
    "a full disk": (disk, "GB free at"),
    "a topic that was created again": (topic, "adopt-topic"),
    "a missed half day": (half_day, "by 13:30 New York, and is not yet"),
    "a build that fails": (build, "no Spark Connect server answers"),
    "a daemon that is stopped": (stopped_daemon, "stopped"),
    "a daemon that hangs": (silent_daemon, "last heartbeat of sensor"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_once_within_three_minutes(kind: str) -> None:
    look, cause = KINDS[kind]
    with quick_folder() as folder:
        platform = Platform(Path(folder))
        for _ in range(3):
            platform.look(*look(False))
        assert not platform.taken
        began = platform.clock.now
        told = None
        for _ in range(8):
            platform.look(*look(True))
            told = platform.clock.now - began if platform.taken and told is None else told
        assert told is not None and len(platform.taken) == 1, platform.taken
        # the failure may have come right after a look, which itself takes some seconds
        print(f"{kind:<34} {told - EVERY_S:.0f} to {told:.0f} s")
        assert told <= 180 and cause in platform.taken[0].body and "What to do: " in platform.taken[0].body
        for _ in range(4):
            platform.look(*look(False))
        assert [turn.kind for turn in platform.turns] == ["wrong"] * (len(platform.turns) // 2) + ["well"] * (
            len(platform.turns) // 2
        )
