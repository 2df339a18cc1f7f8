"""the stream -> a small file that says how it does.

Belongs here: what the stream says of itself, and reading it again. Does not belong here: what is made of it (``observability``).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class StreamState:
    """How the stream does; instants are seconds since 1970.

    Attributes:
        at: when it last said so.
        reads: whether it reads; before the first landing it waits.
        batch: number of the last batch, -1 before the first.
        batch_at, batch_seconds: when that was taken, and how long it took.
        ticks, late: since the stream was started.
        failed, failed_at: what went wrong last, and when.
    """

    at: float
    reads: bool = False
    batch: int = -1
    batch_at: float = 0.0
    batch_seconds: float = 0.0
    ticks: int = 0
    late: int = 0
    failed: str = ""
    failed_at: float = 0.0


def file_of(local_dir: Path) -> Path:
    """Where the stream of this folder says how it does."""
    return local_dir / "stream" / "state.json"


def write_state(file: Path, state: StreamState) -> None:
    """Replace what was said before; the folder is made, which nothing else has done while the stream waits for ticks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(state)), encoding="utf-8")
    os.replace(unfinished, file)


def read_state(file: Path) -> StreamState | None:
    """What was said last; None when nothing can be read."""
    try:
        return StreamState(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
