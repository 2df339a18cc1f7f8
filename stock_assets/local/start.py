"""stopped programs -> services that answer.

Belongs here: in which order programs are handed to supervisor, and waiting until each can be used, or is known to have failed.
Does not belong here: what must be in place beforehand (``services``), and when a service is ready (``readiness``).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.local import readiness
from stock_assets.local.causes import first_cause
from stock_assets.local.dagster import create_dagster_tables
from stock_assets.local.program import Program, log_file
from stock_assets.local.progress import telling
from stock_assets.local.states import address_of
from stock_assets.settings.platform import Settings

DEADLINE_S = 180
NEEDS_TABLES = ("dagster-webserver", "dagster-daemon", "collector")
"""What reads Dagster's records as soon as it starts."""


class Start:
    """One start of some services; ``server`` is supervisor's interface, ``say`` gets each progress line."""

    def __init__(self, settings: Settings, server: Any, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._server = server
        self._say = say
        self._began = time.monotonic()

    def run(self, chosen: Sequence[Program], names: Sequence[str]) -> None:
        """Start the programs ``chosen``; return when the services ``names`` answer, those that ran before included.

        Raises:
            ServiceUnavailable: one of them ended, or does not answer in time.
            PermanentError: Dagster's tables cannot be created.
        """
        starting = {each.name for each in chosen}
        for each in chosen:
            if each.fresh:
                shutil.rmtree(each.directory)
                each.directory.mkdir()
            if not (each.publisher or each.started_last or each.name in NEEDS_TABLES):
                self._server.startProcess(each.name, False)
        if "spark" in starting:
            self._server.startProcess("spark-warm", False)
        if starting.intersection(("postgres", *NEEDS_TABLES)):
            self._create_tables()
        for each in chosen:
            if each.name in NEEDS_TABLES:
                self._server.startProcess(each.name, False)
        late = [each.name for each in chosen if each.started_last]
        self._wait([name for name in names if name not in late], starting)
        for name in late:
            self._server.startProcess(name, False)
        for each in chosen:
            if each.publisher:  # what they publish to answers now; how they do is theirs to tell
                self._server.startProcess(each.name, False)
                self._say(f"{each.name:<18} started  `stock-assets status` tells how it does")

    def _create_tables(self) -> None:
        """Dagster's, while the other services start."""
        with telling(self._say, lambda seconds: f"services   creating Dagster's tables, {seconds:.0f} s"):
            while self._settings.embedded_postgres and not self._is_ready("postgres"):
                self._refuse_late("postgres")
                time.sleep(0.1)
            create_dagster_tables(self._settings, self._say)

    def _wait(self, names: Sequence[str], starting: set[str]) -> None:
        waiting = list(names)
        with telling(self._say, lambda seconds: f"waiting for        {_first_of(waiting)}, {seconds:.0f} s") as say:
            while waiting:
                for name in list(waiting):
                    # with no web server there is nobody to ask for the daemon's heartbeats
                    unasked = name == "dagster-daemon" and "dagster-webserver" not in names
                    if self._is_ready(name, unasked):
                        took = f"{time.monotonic() - self._began:.1f} s" if name in starting else "already up"
                        say(f"{name:<18} ready  {address_of(self._settings, name):<16} {took}")
                        waiting.remove(name)
                if waiting:
                    self._refuse_late(waiting[0])
                    time.sleep(0.2)

    def _is_ready(self, name: str, unasked: bool = False) -> bool:
        info = self._server.getProcessInfo(name)
        if info["statename"] in ("FATAL", "EXITED", "STOPPED", "UNKNOWN"):
            log = log_file(self._settings, name)
            said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
            raise ServiceUnavailable(f"{name} ended while starting: {first_cause(said)} (log: {log})")
        return info["statename"] == "RUNNING" and (unasked or readiness.READY[name](self._settings))

    def _refuse_late(self, name: str) -> None:
        if time.monotonic() - self._began > DEADLINE_S:
            raise ServiceUnavailable(
                f"{name} is not ready after {DEADLINE_S} s; its log is {log_file(self._settings, name)}."
            )


def _first_of(names: Sequence[str]) -> str:
    """The names, as far as a line of 80 characters has room for them."""
    return ", ".join(names) if len(names) < 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
