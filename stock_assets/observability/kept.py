"""observations -> a small file that pages read.

Belongs here: storing the newest observation and how its numbers changed, and reading it again: with SQLite, one writer, any number
of readers, for a week.
Does not belong here: observing (``collector``), showing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from stock_assets.observability.counted import count
from stock_assets.observability.fact import Fact
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
from stock_assets.observability.sqlite_file import rows_of, transaction
from stock_assets.settings.platform import Settings

KEPT_S = 7 * 86_400.0
RUNS = 200
_TABLES = """
CREATE TABLE IF NOT EXISTS newest (id INTEGER PRIMARY KEY CHECK (id = 1), observation TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (at REAL, name TEXT, about TEXT, value REAL, PRIMARY KEY (name, about, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS processes (service TEXT, pid INTEGER, at REAL, PRIMARY KEY (service, pid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, requested REAL, run TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checks (asset TEXT, name TEXT, at REAL, passed INTEGER, severity TEXT, said TEXT,
    PRIMARY KEY (asset, name, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT, labels TEXT, value REAL, last REAL, PRIMARY KEY (name, labels)) WITHOUT ROWID;
"""


def file_of(settings: Settings) -> Path:
    """The file of these settings."""
    return settings.local_dir / "observed" / "facts.db"


class Kept:
    """The file, for its one writer.

    Raises:
        PermissionError, sqlite3.Error: it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with transaction(self._file) as connection:
            connection.executescript(_TABLES)

    def known_runs(self) -> set[str]:
        """Ids of the runs whose end is kept."""
        with transaction(self._file) as connection:
            rows = connection.execute("SELECT run_id FROM runs WHERE json_extract(run, '$.ended') IS NOT NULL")
            return {run_id for (run_id,) in rows}

    def keep(self, seen: Observation) -> None:
        """Make it the newest observation, in one transaction; what is older than a week goes."""
        with transaction(self._file) as connection:
            services = list(_counted(connection, seen.services, seen.at))
            text = json.dumps(asdict(replace(seen, runs=(), services=services)), default=str)
            connection.execute("INSERT OR REPLACE INTO newest VALUES (1, ?)", (text,))
            _keep_numbers(connection, seen)
            count(connection, seen)
            for run in seen.runs:
                row = asdict(replace(run, checks=()))
                connection.execute(
                    "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (run.run_id, run.requested, json.dumps(row))
                )
                connection.executemany(
                    "INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?)",
                    [(each.asset, each.name, each.at, each.passed, each.severity, each.text) for each in run.checks],
                )
            for table in ("numbers", "processes", "checks"):
                connection.execute(f"DELETE FROM {table} WHERE at < ?", (seen.at - KEPT_S,))
            connection.execute(
                "DELETE FROM runs WHERE run_id NOT IN (SELECT run_id FROM runs ORDER BY requested DESC LIMIT ?)",
                (RUNS,),
            )


def _keep_numbers(connection: sqlite3.Connection, seen: Observation) -> None:
    """A fact's value where it is not the one before."""
    newest_values = connection.execute("SELECT name, about, value, max(at) FROM numbers GROUP BY name, about")
    before = {(name, about): value for name, about, value, _ in newest_values}
    changed = {
        (fact.name, fact.about): fact.value
        for fact in seen.facts
        if fact.value is not None and before.get((fact.name, fact.about)) != fact.value
    }
    connection.executemany(
        "INSERT OR REPLACE INTO numbers VALUES (?, ?, ?, ?)",
        [(seen.at, name, about, value) for (name, about), value in changed.items()],
    )


def _counted(connection: sqlite3.Connection, services: Iterable[ServiceSeen], at: float) -> Iterator[ServiceSeen]:
    """Each service with the number of its processes before this one."""
    for each in services:
        if each.pid:
            connection.execute("INSERT OR REPLACE INTO processes VALUES (?, ?, ?)", (each.name, each.pid, at))
        (count,) = connection.execute("SELECT count(*) FROM processes WHERE service = ?", (each.name,)).fetchone()
        yield replace(each, restarts=max(0, count - 1))


def newest(file: Path) -> Observation | None:
    """The newest observation, without its runs; None when nothing was collected yet.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    found = _read(file, "SELECT observation FROM newest")
    if not found:
        return None
    told: dict[str, Any] = json.loads(found[0][0])
    return Observation(
        at=told["at"],
        seconds=told["seconds"],
        facts=[Fact(**each) for each in told["facts"]],
        services=[ServiceSeen(**each) for each in told["services"]],
        held=[Held(**each | {"newest": _day(each["newest"])}) for each in told["held"]],
        equations=[Equation(**each) for each in told["equations"]],
        publishers=[PublisherSeen(**each) for each in told.get("publishers", ())],
        availability=told.get("availability", {}),
        duplicates=told.get("duplicates"),
    )


def runs(file: Path, limit: int = RUNS) -> list[RunSeen]:
    """Runs without their checks, newest first.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    rows = (json.loads(row[0]) for row in _read(file, "SELECT run FROM runs ORDER BY requested DESC LIMIT ?", limit))
    return [RunSeen(**row | {"steps": tuple(StepSeen(**step) for step in row["steps"]), "checks": ()}) for row in rows]


def checks(file: Path) -> list[CheckSeen]:
    """Every evaluation that is kept, by asset, check and time.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    rows = _read(file, "SELECT asset, name, at, passed, severity, said FROM checks ORDER BY asset, name, at")
    return [
        CheckSeen(asset, name, at, bool(passed), severity, said) for asset, name, at, passed, severity, said in rows
    ]


def numbers(file: Path, name: str) -> list[tuple[float, str, float]]:
    """How the value of a fact changed: instant (seconds since 1970), subject and value, by instant.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    return _read(file, "SELECT at, about, value FROM numbers WHERE name = ? ORDER BY at", name)


def counters(file: Path) -> dict[str, dict[tuple[str, ...], float]]:
    """What was counted since the file was made, by name and labels; it never falls.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, value in _read(file, "SELECT name, labels, value FROM counters"):
        found.setdefault(name, {})[tuple(json.loads(labels))] = value
    return found


def _read(file: Path, query: str, *given: Any) -> list[Any]:
    return rows_of(file, "What the collector keeps", query, *given)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
