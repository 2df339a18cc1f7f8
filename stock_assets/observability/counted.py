"""observations, one after the other -> counters that never fall.

Belongs here: what is counted, and that a number which begins anew, or falls, takes nothing back.
Does not belong here: the file (``kept``), the metrics' names (``metrics``).

What a table holds may become less: a redrive accepts what was rejected, a topic is created again. A counter says what has come,
so it goes on from what it was.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import asdict

from stock_assets.observability.observation import Observation
from stock_assets.observability.publishing import COUNTED

Counts = dict[tuple[str, tuple[str, ...]], float]


def count(connection: sqlite3.Connection, seen: Observation) -> None:
    """Add what came since the observation before; a run is counted when it is first seen to have ended."""
    for (name, labels), now in _held(seen).items():
        _advance(connection, name, labels, now, anew=0.0)
    for (name, labels), now in _published(seen).items():
        _advance(connection, name, labels, now, anew=now)
    for (name, labels), more in _ended(connection, seen).items():
        before = _last(connection, name, labels)
        _advance(connection, name, labels, before + more, anew=0.0)


def _held(seen: Observation) -> Counts:
    found: Counts = defaultdict(float)
    for each in seen.equations:
        labels = each.topic, str(each.partition)
        found["offsets_read", labels] += each.offsets
        found["rows_landed", labels] += each.accepted
        found["rows_rejected", labels] += each.rejected
    if seen.duplicates is not None:
        found["duplicates", ()] = seen.duplicates
    return found


def _published(seen: Observation) -> Counts:
    return {
        (f"publisher_{name}", (each.name,)): float(asdict(each)[name]) for each in seen.publishers for name in COUNTED
    }


def _ended(connection: sqlite3.Connection, seen: Observation) -> Counts:
    known = "SELECT 1 FROM runs WHERE run_id = ? AND json_extract(run, '$.ended') IS NOT NULL"
    found: Counts = defaultdict(float)
    for run in seen.runs:
        if run.ended is None or connection.execute(known, (run.run_id,)).fetchone():
            continue
        found["runs", (run.job, run.status)] += 1
        found["run_seconds", (run.job, run.status)] += max(0.0, run.ended - run.requested)
        for step in run.steps:
            found["steps", (step.name,)] += 1
            found["step_seconds", (step.name,)] += max(0.0, step.seconds)
    return found


def _last(connection: sqlite3.Connection, name: str, labels: tuple[str, ...]) -> float:
    row = connection.execute(
        "SELECT last FROM counters WHERE name = ? AND labels = ?", (name, json.dumps(labels))
    ).fetchone()
    return 0.0 if row is None else float(row[0])


def _advance(connection: sqlite3.Connection, name: str, labels: tuple[str, ...], now: float, anew: float) -> None:
    """Bring a counter to what its source says now; where that is less than before, ``anew`` is what came since."""
    connection.execute(
        "INSERT INTO counters VALUES (:name, :labels, :now, :now) ON CONFLICT (name, labels) DO UPDATE SET "
        "value = value + CASE WHEN excluded.last >= last THEN excluded.last - last ELSE :anew END, last = excluded.last",
        {"name": name, "labels": json.dumps(labels), "now": now, "anew": anew},
    )
