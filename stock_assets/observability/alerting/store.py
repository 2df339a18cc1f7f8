"""standings and turns -> a file that survives restarts.

Belongs here: keeping what is known of each fact, what is still to be sent and what was sent, in SQLite: one writer, any readers.
A look and what it leads to are stored in one transaction: a crash repeats the look, and forgets nothing.
Does not belong here: the rule (``standing``), sending (``channel``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stock_assets.observability.alerting.message import Message
from stock_assets.observability.alerting.standing import Standing, Turn
from stock_assets.observability.sqlite_file import rows_of, transaction
from stock_assets.settings.platform import Settings

SENT_KEPT = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS standings (name TEXT, about TEXT, standing TEXT NOT NULL, PRIMARY KEY (name, about)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (seq INTEGER PRIMARY KEY AUTOINCREMENT, turn TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sent (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, title TEXT, body TEXT, bad INTEGER);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value REAL);
CREATE TABLE IF NOT EXISTS trouble (id INTEGER PRIMARY KEY CHECK (id = 1), since REAL, attempts INTEGER, said TEXT);
"""
Standings = dict[tuple[str, str], Standing]


@dataclass(frozen=True)
class Trouble:
    """A channel that did not take what was sent: since when (seconds since 1970), how often it was tried, and why."""

    since: float
    attempts: int
    said: str


@dataclass(frozen=True)
class Sent:
    """A message that the channel took, ``at`` seconds since 1970."""

    seq: int
    at: float
    message: Message


def file_of(settings: Settings) -> Path:
    """The file of these settings."""
    return settings.local_dir / "alerts" / "alerts.db"


class Store:
    """The file, for its one writer.

    Raises:
        PermissionError, sqlite3.Error: it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        with transaction(self.file) as connection:
            connection.executescript(_TABLES)

    def standings(self) -> Standings:
        """All that is remembered."""
        return standings(self.file)

    def looked_at(self) -> float | None:
        """Instant of the newest look that was followed; None before the first."""
        with transaction(self.file) as connection:
            row = connection.execute("SELECT value FROM numbers WHERE name = 'looked_at'").fetchone()
        return None if row is None else float(row[0])

    def keep(
        self,
        before: Mapping[tuple[str, str], Standing],
        after: Standings,
        turns: Sequence[Turn],
        looked_at: float | None,
    ) -> None:
        """Store where a look led to.

        Args:
            before: what was stored; what did not change is not written again.
            looked_at: the look's instant; None leaves that of before.
        """
        with transaction(self.file) as connection:
            gone = [key for key in before if key not in after]
            changed = [(*key, json.dumps(asdict(each))) for key, each in after.items() if before.get(key) != each]
            connection.executemany("DELETE FROM standings WHERE name = ? AND about = ?", gone)
            connection.executemany("INSERT OR REPLACE INTO standings VALUES (?, ?, ?)", changed)
            connection.executemany(
                "INSERT INTO queue (turn) VALUES (?)", [(json.dumps(asdict(turn)),) for turn in turns]
            )
            if looked_at is not None:
                connection.execute("INSERT OR REPLACE INTO numbers VALUES ('looked_at', ?)", (looked_at,))

    def queued(self) -> list[tuple[int, Turn]]:
        """What is to be sent, in its order."""
        return queued(self.file)

    def sent(self, message: Message, last: int, at: float) -> None:
        """The channel took ``message``, which told the queue up to ``last``."""
        with transaction(self.file) as connection:
            connection.execute("DELETE FROM queue WHERE seq <= ?", (last,))
            connection.execute(
                "INSERT INTO sent (at, title, body, bad) VALUES (?, ?, ?, ?)",
                (at, message.title, message.body, message.bad),
            )
            connection.execute("DELETE FROM sent WHERE seq <= (SELECT max(seq) FROM sent) - ?", (SENT_KEPT,))
            connection.execute("DELETE FROM trouble")

    def failed(self, said: str, at: float) -> int:
        """The channel did not take it; returns how often that has happened in a row."""
        with transaction(self.file) as connection:
            connection.execute(
                "INSERT INTO trouble VALUES (1, ?, 1, ?) ON CONFLICT (id) DO UPDATE SET attempts = attempts + 1, said = excluded.said",
                (at, said),
            )
            (attempts,) = connection.execute("SELECT attempts FROM trouble").fetchone()
        return int(attempts)


def standings(file: Path) -> Standings:
    """What is remembered of each fact that is, or lately was, wrong.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    found: Standings = {}
    for name, about, text in _read(file, "SELECT name, about, standing FROM standings ORDER BY name, about"):
        told = json.loads(text)
        found[name, about] = Standing(**told | {"looks": tuple(told["looks"])})
    return found


def queued(file: Path) -> list[tuple[int, Turn]]:
    """What is to be sent, in its order.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    return [(seq, Turn(**json.loads(text))) for seq, text in _read(file, "SELECT seq, turn FROM queue ORDER BY seq")]


def sent_after(file: Path, seq: int, limit: int = SENT_KEPT) -> list[Sent]:
    """The newest messages that were sent after the one of this number, oldest first.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    rows = _read(
        file, f"SELECT seq, at, title, body, bad FROM sent WHERE seq > ? ORDER BY seq DESC LIMIT {int(limit)}", seq
    )
    return [Sent(number, at, Message(title, body, bool(bad))) for number, at, title, body, bad in reversed(rows)]


def trouble(file: Path) -> Trouble | None:
    """What keeps the channel from taking messages; None when nothing does.

    Raises:
        ServiceUnavailable: the file cannot be read.
    """
    rows = _read(file, "SELECT since, attempts, said FROM trouble")
    return Trouble(*rows[0]) if rows else None


def _read(file: Path, query: str, *given: Any) -> list[Any]:
    return rows_of(file, "What is kept of alerts", query, *given)
