"""a publisher's state -> a small file that others can judge it by.

Belongs here: what is said of a running publisher, writing it so that no reader sees half of it, and the verdict.
Does not belong here: running (``service``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from stock_assets.domain.errors import StockAssetsError
from stock_assets.domain.redaction import redacted
from stock_assets.publishers.whole_file import write_whole

SILENT_AFTER = timedelta(seconds=90)
"""A service writes every few seconds; one that did not for so long is stuck or gone."""
FAILING_AFTER = 5
"""Connections that failed one after another, from which on the trouble is no hiccup."""

ENDED_FOR_GOOD = 78
"""Exit status of a publisher that must not be started again before something was mended (EX_CONFIG of sysexits.h)."""

STARTED_AFTER_S = 10
"""A publisher that ends sooner has not started: it is tried again, ever later."""

State = Literal["starting", "connected", "waiting", "stopped", "failed"]


class Health(msgspec.Struct, kw_only=True):
    """One publisher; counters since it started, in messages. ``failures`` are connections since one delivered."""

    name: str
    pid: int
    state: State
    updated_at: datetime
    waiting_until: datetime | None = None
    fetched: int = 0
    acknowledged: int = 0
    refused: int = 0
    reconnects: int = 0
    failures: int = 0
    last_message_at: datetime | None = None
    last_error: str = ""
    last_refusal: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a publisher does its work; ``because`` is one sentence for the user."""

    healthy: bool
    because: str

    def __bool__(self) -> bool:
        return self.healthy


class HealthFile:
    """``<local_dir>/publishers/<name>.json``: written by the service through ``state``, read by anybody.

    ``secrets`` are hidden in every text that goes into it.
    """

    def __init__(
        self,
        local_dir: Path,
        name: str,
        secrets: Iterable[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = local_dir / "publishers" / f"{name}.json"
        self.now = now
        self._secrets = tuple(secrets)
        self.state = Health(name=name, pid=os.getpid(), state="starting", updated_at=now())

    def plain(self, text: str) -> str:
        """``text`` without secrets."""
        return redacted(text, self._secrets)

    def refuse(self, reason: str) -> None:
        """Count a record that could not be taken."""
        self.state.refused += 1
        self.state.last_refusal = self.plain(reason)

    def fail(self, broken: BaseException) -> None:
        """Say what ended the publisher."""
        text = str(broken) if isinstance(broken, StockAssetsError) else f"{type(broken).__name__}: {broken}"
        self.state.last_error = self.plain(text)
        self.state.state, self.state.waiting_until = "failed", None
        self.write()

    def write(self) -> None:
        """Store ``state``; a reader sees the old file or the new one."""
        self.state.updated_at = self.now()
        write_whole(self.path, msgspec.json.format(msgspec.json.encode(self.state)))

    def read(self) -> Health | None:
        """What the file says; None when there is none that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Health)
        except (OSError, msgspec.MsgspecError):
            return None

    def healthy(self, now: datetime) -> Verdict:
        """The verdict on the publisher that wrote the file."""
        found = self.read()
        if found is None:
            return Verdict(False, f"{self.path.stem} has never run, or {self.path} cannot be read")
        trouble = f": {found.last_error}" if found.last_error else ""
        if found.state in ("stopped", "failed"):
            return Verdict(False, f"{found.name} {'has stopped' if found.state == 'stopped' else f'failed{trouble}'}")
        silent = now - found.updated_at
        if silent > SILENT_AFTER:
            return Verdict(
                False, f"{found.name} (process {found.pid}) has not been heard of for {silent.total_seconds():.0f} s"
            )
        if found.failures >= FAILING_AFTER:
            return Verdict(False, f"{found.name} failed to connect {found.failures} times in a row{trouble}")
        if found.state == "waiting" and found.waiting_until:
            return Verdict(True, f"{found.name} waits until {found.waiting_until:%Y-%m-%d %H:%M:%S %Z}{trouble}")
        return Verdict(True, f"{found.name} is {found.state}, {found.acknowledged:,} messages acknowledged")
