"""where a stream stands -> a small file -> where its next process begins.

Belongs here: the newest event of each symbol and the gaps not filled yet, kept over the end or the crash of a process.
Does not belong here: what follows from them (``yahoo_stream``).

Whoever writes it does so once the broker has acknowledged what it tells of. So the file may be behind, never ahead: after
a crash a gap is measured too long and some of its minutes come twice, which bars see by their identity; none is missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from stock_assets.publishers.whole_file import write_whole
from stock_assets.publishers.yahoo_gaps import Gap

WRITE_EVERY = timedelta(seconds=1)

log = logging.getLogger(__name__)


class Position(msgspec.Struct):
    """The newest event (microseconds) per symbol, and what is not filled."""

    last: dict[str, int] = {}
    gaps: list[Gap] = []


class PositionFile:
    """``<local_dir>/publishers/<name>.position``."""

    def __init__(self, local_dir: Path, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = local_dir / "publishers" / f"{name}.position"
        self._now = now
        self._written = b""
        self._written_at: datetime | None = None

    def read(self) -> Position:
        """What the file says; of one that cannot be read this is said, and nothing is known."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Position)
        except FileNotFoundError:
            return Position()
        except (OSError, msgspec.MsgspecError) as broken:
            log.warning(
                "%s cannot be read (%s): what was missed before this start is not known and will not be filled; the file "
                "is written anew",
                self.path,
                broken,
            )
            return Position()

    def write(self, position: Position, *, at_once: bool = False) -> None:
        """Store where everything stands; unless ``at_once``, a second after the last time at the earliest."""
        now = self._now()
        # also when the clock was set back
        if not at_once and self._written_at and timedelta(0) <= now - self._written_at < WRITE_EVERY:
            return
        content = msgspec.json.encode(position)
        if content != self._written:
            write_whole(self.path, content, durable=True)
            self._written = content
        self._written_at = now
