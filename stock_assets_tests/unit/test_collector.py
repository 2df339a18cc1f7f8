"""What the collector keeps, and that pages read the same again."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.domain.sessions import sessions_between
from stock_assets.lake.tables import read_sessions
from stock_assets.observability import collector as collecting
from stock_assets.observability import facts as all_facts
from stock_assets.observability import held
from stock_assets.observability.collector import Collector, memory_by_service
from stock_assets.observability.fact import Fact
from stock_assets.observability.kept import KEPT_S, Kept, checks, file_of, newest, numbers, runs
from stock_assets.observability.machine import memory_facts
from stock_assets.observability.observation import (
    CheckSeen,
    Equation,
    Held,
    Observation,
    PublisherSeen,
    RunSeen,
    ServiceSeen,
    StepSeen,
)
from stock_assets.observability.services import service_facts
from stock_assets.settings.platform import Settings
from stock_assets_tests.pipeline.readable_lake import store_metrics

WAITING = Fact("records_waiting", "t/0", False, "7 records wait", "", 7.0, "records")
SEEN = Observation(
    at=1000.0,
    seconds=1.5,
    facts=[WAITING, Fact("service", "kafka", True, "stopped", "`stock-assets up kafka`")],
    services=[ServiceSeen("kafka", "running", 11, "127.0.0.1:9092", 60, 1024)],
    held=[Held("bars/daily_bars", 2, 4, date(2024, 1, 3)), Held("raw/ticks", 0, 0, None)],
    equations=[Equation("t", 0, 10, 8, 1, 1, "")],
    publishers=[PublisherSeen("simulator", 3, 2, 1, 0, None)],
    availability={"available": 4},
    duplicates=7,
    runs=[
        RunSeen("r2", "build", "started", 900.0, None, ""),
        RunSeen(
            "r1",
            "drain",
            "success",
            800.0,
            820.0,
            "2024-01-03",
            (StepSeen("raw/ticks", 3.0, 5),),
            (CheckSeen("raw/ticks", "quality", 819.0, False, "warn", "<b>3 rows</b>"),),
        ),
    ],
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "observed" / "facts.db"


def test_what_is_kept_is_read_again(file: Path) -> None:
    kept = Kept(file)
    kept.keep(SEEN)
    assert newest(file) == replace(SEEN, runs=())
    assert runs(file) == [SEEN.runs[0], replace(SEEN.runs[1], checks=())]
    assert checks(file) == list(SEEN.runs[1].checks)
    assert kept.known_runs() == {"r1"}


def test_nothing_collected_yet_is_no_error(file: Path) -> None:
    assert newest(file) is None
    assert runs(file) == checks(file) == numbers(file, "records_waiting") == []


def test_a_file_that_is_none_is_a_sentence(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("this is no database, but long enough to be mistaken for one" * 20)
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        newest(file)


def test_numbers_are_kept_when_they_change_and_for_a_week(file: Path) -> None:
    kept = Kept(file)
    for at, value in ((1.0, 7.0), (2.0, 7.0), (3.0, 0.0), (4.0, 7.0)):
        kept.keep(replace(SEEN, at=at, facts=[replace(WAITING, value=value)]))
    assert numbers(file, "records_waiting") == [(1.0, "t/0", 7.0), (3.0, "t/0", 0.0), (4.0, "t/0", 7.0)]
    kept.keep(replace(SEEN, at=3.5 + KEPT_S))
    assert numbers(file, "records_waiting") == [(4.0, "t/0", 7.0)]


def test_another_process_of_a_service_is_a_restart(file: Path) -> None:
    kept = Kept(file)
    for at, pid in enumerate((11, 11, 0, 12, 12, 13)):
        kept.keep(replace(SEEN, at=float(at), services=[replace(SEEN.services[0], pid=pid)]))
    seen = newest(file)
    assert seen is not None and [each.restarts for each in seen.services] == [2]


def test_a_run_is_kept_again_until_it_has_ended(file: Path) -> None:
    kept = Kept(file)
    kept.keep(SEEN)
    kept.keep(replace(SEEN, runs=[replace(SEEN.runs[0], status="failure", ended=950.0)]))
    assert [(run.run_id, run.status) for run in runs(file)] == [("r2", "failure"), ("r1", "success")]
    assert kept.known_runs() == {"r1", "r2"}


def test_a_reader_never_writes(file: Path) -> None:
    Kept(file).keep(SEEN)
    file.chmod(0o444)
    before = file.read_bytes()
    assert newest(file) is not None
    assert file.read_bytes() == before
    assert sqlite3.connect(file).execute("SELECT count(*) FROM runs").fetchone() == (2,)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(collecting, "facts", lambda settings, wake: [WAITING])
    return Settings({"STOCK_ASSETS_LOCAL": str(tmp_path), "STOCK_ASSETS_HOME": str(tmp_path)})


def of_metrics(seen: Observation) -> list[Held]:
    return [each for each in seen.held if each.stage == "metrics/daily_metrics"]


def test_tables_are_counted_once_per_version(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    days = sessions_between(date(2024, 1, 2), date(2024, 1, 5))
    store_metrics(settings.lake_root, {("A", day): Decimal(1) for day in days}, withheld=[days[-1]])
    collector, read = Collector(settings), []
    monkeypatch.setattr(
        held, "read_sessions", lambda *given, **named: read.append(given) or read_sessions(*given, **named)
    )
    seen = collector.collect()
    assert [(each.sessions, each.rows, each.newest) for each in of_metrics(seen)] == [(3, 3, days[2])]
    once = len(read)
    assert (seen.availability, seen.duplicates) == ({}, 0)
    assert collector.collect().held == seen.held and len(read) == once
    store_metrics(settings.lake_root, {("B", days[0]): Decimal(1)})
    assert [(each.sessions, each.rows, each.newest) for each in of_metrics(collector.collect())] == [(3, 4, days[2])]
    assert len(read) == once + 1
    kept = newest(file_of(settings))
    assert kept is not None and kept.facts == [WAITING]


def test_a_look_that_fails_does_not_end_the_collector(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(Exception):
        pass

    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise Ended

    def broken(settings: Settings, wake: bool) -> list[Fact]:
        raise RuntimeError

    monkeypatch.setattr(collecting, "facts", broken)
    with pytest.raises(Ended):
        Collector(settings).run(wait)
    assert all(1 <= pause <= settings.dashboard.collect_every_s for pause in pauses)


def test_a_metered_warehouse_is_left_asleep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account = Settings({"SNOWFLAKE_ACCOUNT": "a", "STOCK_ASSETS_LOCAL": str(tmp_path)})
    standin = Settings({"SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_HOST": "warehouse"})
    assert (account.metered_warehouse, standin.metered_warehouse, Settings({}).metered_warehouse) == (
        True,
        False,
        False,
    )
    asked: list[frozenset[str]] = []

    def seen(settings: Settings, states: object, asleep: frozenset[str]) -> list[Fact]:
        asked.append(asleep)
        return [Fact("service", name, True, "away") for name in ("kafka", "minio")]

    monkeypatch.setattr("stock_assets.observability.facts.services.service_facts", seen)
    for wake in (False, True):
        all_facts.facts(account, wake=wake)
    assert asked == [frozenset({"warehouse"}), frozenset()]


def test_a_service_that_is_asleep_is_no_problem_and_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stock_assets.local.services import Services
    from stock_assets.observability import services

    settings = Settings({"SNOWFLAKE_ACCOUNT": "a", "STOCK_ASSETS_LOCAL": str(tmp_path)})
    asked: list[str] = []
    monkeypatch.setattr(services, "side_by_side", lambda questions, _: asked.extend(questions) or {})
    states = {each.name: each for each in Services(settings).status()}
    (told,) = [fact for fact in service_facts(settings, states, frozenset({"warehouse"})) if fact.about == "warehouse"]
    assert not told.problem and "not asked" in told.sentence
    assert "warehouse" not in asked


def test_memory_is_that_of_a_service_and_its_children(tmp_path: Path) -> None:
    for pid, name, pages in ((1, "kafka", 10), (2, "kafka", 5), (3, "spark", 1), (4, "", 100)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        mark = f"STOCK_ASSETS_SERVICE={name}" if name else "X=1"
        (folder / "environ").write_text(f"STOCK_ASSETS_LOCAL=/here\0{mark}\0")
        (folder / "statm").write_text(f"900 {pages} 3")
    assert memory_by_service(Path("/here"), tmp_path) == {"kafka": 15 * 4096, "spark": 4096}
    assert memory_by_service(Path("/there"), tmp_path) == {}


def test_little_memory_is_a_problem(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       8000000 kB\nMemAvailable:     200000 kB\n")
    (fact,) = memory_facts(told)
    assert fact.problem and fact.value == 200000 * 1024
    told.write_text("MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")
    assert not next(memory_facts(told)).problem
    assert list(memory_facts(tmp_path / "none")) == []
