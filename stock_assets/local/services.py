"""settings -> running embedded services, and none left when they are stopped.

Belongs here: starting, waiting, stopping, recovering after a crash, telling the state.
Does not belong here: what a service is (programs.py) and when it is ready (readiness.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.local.jars import fetch
from stock_assets.local.java import find_java
from stock_assets.local.kafka import format_kafka
from stock_assets.local.minio import build
from stock_assets.local.postgres import prepare_postgres
from stock_assets.local.preconditions import check_extra, check_ports, check_restored, check_room
from stock_assets.local.processes import end_all, owned
from stock_assets.local.program import Program, log_file, prepare, run_dir
from stock_assets.local.programs import PUBLISHER, programs
from stock_assets.local.progress import telling
from stock_assets.local.start import NEEDS_TABLES, Start
from stock_assets.local.states import ServiceState, publishers_of, state_of
from stock_assets.local.supervision import configuration
from stock_assets.settings.platform import Settings

DAGSTER = ("dagster-code", "dagster-webserver", "dagster-daemon")
ALL = (
    *("kafka", "postgres", "spark", "warehouse", *DAGSTER),
    *("collector", "dashboard", "metrics", "alerts", "stream"),
)
WITH_MINIO = (*ALL[:2], "minio", *ALL[2:])
LONGEST_SOCKET_PATH = 90  # the system allows 104 or 108, supervisor appends a dot and its process id for a moment
GONE = (OSError, xmlrpc.client.Error)


def names_of(settings: Settings) -> tuple[str, ...]:
    """The services of these settings, in starting order: MinIO when the lake lies on it, PostgreSQL unless another is named."""
    unwanted = {"minio"} if settings.lake.store != "minio" else set()
    unwanted |= set() if settings.runs_postgres else {"postgres"}
    unwanted |= set() if settings.live.stream else {"stream"}
    return tuple(name for name in WITH_MINIO if name not in unwanted)


def all_names(settings: Settings) -> tuple[str, ...]:
    """These, and the publishers of the settings."""
    return (*names_of(settings), *publishers_of(settings))


class Services:
    """The embedded services of one ``local_dir``.

    ``say`` gets each progress line. Errors are sentences: PermanentError when something must be changed first (a taken
    port, no Java, no room), ServiceUnavailable when a service did not come up.
    """

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.say = say

    def up(self, names: Sequence[str] = ()) -> None:
        """Start what of ``names`` does not run (all when none is named), with the settings of now; return when all answer.

        Who needs Dagster's records gets the embedded database started with it.
        """
        known = all_names(self.settings)
        names = names or known
        unknown = [name for name in names if name not in known]
        if unknown:
            hint = " (minio needs STORE=minio)" if "minio" in unknown else ""
            hint = " (publishers are those of PUBLISHERS)" if unknown[0].startswith(PUBLISHER) else hint
            raise PermanentError(f"There is no service {unknown[0]!r}; there are {', '.join(known)}{hint}.")
        if self.settings.embedded_postgres and set(names).intersection(NEEDS_TABLES):
            names = tuple(dict.fromkeys(("postgres", *names)))
        check_extra()
        check_room(self.settings)
        check_restored(self.settings)
        with self._alone():
            java = find_java(self.settings)
            if {"kafka", "spark", "stream"} & set(names):
                fetch(self.settings, self.say)
            if "minio" in names:
                build(self.settings, self.say)
            every = programs(self.settings, java)
            with telling(self.say, lambda seconds: f"services   preparing their folders, {seconds:.0f} s"):
                server = self._supervisor(every)
                running = {
                    info["name"]
                    for info in server.getAllProcessInfo()
                    if info["statename"] in ("RUNNING", "STARTING", "BACKOFF")
                }
                chosen = [each for each in every if each.name in names and each.name not in running]
                check_ports(chosen)
                if any(each.name == "kafka" for each in chosen):
                    format_kafka(self.settings, java)
                if any(each.name == "postgres" for each in chosen):
                    prepare_postgres(self.settings)
            answering = [name for name in names_of(self.settings) if name in names]
            try:
                Start(self.settings, server, self.say).run(chosen, answering)
            except BaseException:
                # nothing half started is left, also when somebody interrupts; a call that was cut off spoils its connection
                with suppress(*GONE):
                    self.stop([each.name for each in reversed(chosen)])
                raise

    def stop(self, names: Sequence[str]) -> list[str]:
        """Stop some services and leave the others; returns those that ran."""
        server = self._connect()
        if server is None:
            return []
        ended = ("STOPPED", "EXITED", "FATAL")
        running = [name for name in names if server.getProcessInfo(name)["statename"] not in ended]
        for name in running:
            server.stopProcess(name)
        return running

    def down(self) -> None:
        """Stop everything and leave no process; data stays. Does nothing when nothing runs."""
        with self._alone():
            server = self._connect()
            if server is not None:
                self.say("services stopping")
                pid = server.getPID()
                with suppress(*GONE):
                    server.shutdown()
                _wait_until(lambda: pid not in owned(self.settings.local_dir), 60)
            left = end_all(self.settings.local_dir)
            self._socket().unlink(missing_ok=True)
            if server is not None or left:
                self.say(f"services stopped{f', {left} left-over processes ended' if left else ''}")

    def status(self) -> list[ServiceState]:
        """State of every service, in starting order; ``stopped`` for all when nothing runs."""
        server = self._connect()
        infos = {info["name"]: info for info in server.getAllProcessInfo()} if server is not None else {}
        shown = [name for name in WITH_MINIO if name in infos or name in names_of(self.settings)]
        shown += [name for name in infos if name.startswith(PUBLISHER) and name not in publishers_of(self.settings)]
        return [state_of(self.settings, name, infos.get(name)) for name in (*shown, *publishers_of(self.settings))]

    def log(self, name: str) -> Path:
        """The service's log file; older parts lie beside it as ``.1`` and ``.2``."""
        return log_file(self.settings, name)

    def _socket(self) -> Path:
        usual = run_dir(self.settings) / "supervisor.sock"
        if len(str(usual)) <= LONGEST_SOCKET_PATH:
            return usual
        short = hashlib.sha256(str(self.settings.local_dir).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"stock-assets-{short}.sock"

    def _connect(self) -> Any:
        """Supervisor's interface; None when it does not answer."""
        if not self._socket().exists():
            return None
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket()}")
        server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
        try:
            server.getState()
        except GONE:
            return None
        return server

    def _supervisor(self, every: list[Program]) -> Any:
        """Supervisor with the configuration of now; started, or recovered, when it does not answer."""
        self._render(every)
        server = self._connect()
        if server is not None:
            self._reload(server)
            return server
        left = end_all(self.settings.local_dir)
        if left:
            self.say(f"services recovered: {left} processes of an earlier, crashed start were ended")
        self._socket().unlink(missing_ok=True)
        command = ["/usr/bin/env", "STOCK_ASSETS_SERVICE=supervisor", f"STOCK_ASSETS_LOCAL={self.settings.local_dir}"]
        command += [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration())]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise ServiceUnavailable(f"Supervisor did not start: {(done.stdout + done.stderr).strip()[-300:]}")
        _wait_until(lambda: self._connect() is not None, 30)
        server = self._connect()
        if server is None:
            raise ServiceUnavailable(f"Supervisor does not answer; its log is {self.log('supervisord')}.")
        return server

    def _configuration(self) -> Path:
        return run_dir(self.settings) / "supervisord.conf"

    def _render(self, every: list[Program]) -> None:
        for folder in (run_dir(self.settings), self.settings.local_dir / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        for each in every:
            prepare(each)
        self._configuration().write_text(configuration(self.settings, every, self._socket()), encoding="utf-8")

    def _reload(self, server: Any) -> None:
        """Programs whose configuration changed are stopped and known anew; the others go on untouched."""
        added, changed, removed = server.reloadConfig()[0]
        for name in (*changed, *removed):
            if server.getProcessInfo(name)["statename"] == "RUNNING":
                self.say(
                    f"{name:<18} {'not wanted any more, stopping' if name in removed else 'settings changed, restarting'}"
                )
            server.stopProcessGroup(name)
            server.removeProcessGroup(name)
        for name in (*changed, *added):
            server.addProcessGroup(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two callers at once would end each other's half-started services."""
        run_dir(self.settings).mkdir(parents=True, exist_ok=True)
        with (run_dir(self.settings) / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _wait_until(condition: Callable[[], bool], deadline_s: float) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
