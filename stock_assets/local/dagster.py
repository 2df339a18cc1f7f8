"""settings -> Dagster's code server, web server and daemon.

Belongs here: their commands, Dagster's configuration and tables. Does not belong here: starting them (``services``).
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.causes import first_cause
from stock_assets.local.program import HERE, LOOPBACK, Program
from stock_assets.settings.platform import Settings

EVENTS_TOGETHER = {"DAGSTER_EVENT_BATCH_SIZE": "1000", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1"}
"""A run over a range of sessions plans and stores its events of all of them at once."""


def dagster(settings: Settings) -> list[Program]:
    """One code server for both: without it each loads the definitions itself, and the daemon again every minute."""
    tools, home, port = Path(sys.executable).parent, settings.dagster_home, settings.local.dagster_port
    environment = {"DAGSTER_HOME": str(home), **EVENTS_TOGETHER}
    workspace = home / "workspace.yaml"
    files = {
        **dagster_files(settings),
        workspace: f"load_from:\n  - grpc_server: {{host: {LOOPBACK}, port: {port + 1}, location_name: stock_assets}}\n",
    }
    code = [sys.executable, "-m", "stock_assets.local.code_server", "-h", LOOPBACK, "-p", str(port + 1)]
    code += ["-m", "stock_assets.definitions", "--location-name", "stock_assets"]
    web = [str(tools / "dagster-webserver"), "-h", LOOPBACK, "-p", str(port), "-w", str(workspace)]
    daemon = [str(tools / "dagster-daemon"), "run", "-w", str(workspace)]
    return [
        Program(
            "dagster-code", code, settings.home, ports={port + 1: "DAGSTER_PORT"}, environment=environment, files=files
        ),
        Program(
            "dagster-webserver", web, settings.home, ports={port: "DAGSTER_PORT"}, environment=environment, files=files
        ),
        Program("dagster-daemon", daemon, settings.home, environment=environment, files=files),
    ]


def instance_home(settings: Settings) -> Path | None:
    """Folder of the Dagster instance; None when there is none yet."""
    home = settings.dagster_home
    return home if (home / "dagster.yaml").is_file() else None


def ensure_home(settings: Settings) -> Path:
    """Folder of the Dagster instance, with its configuration, made if missing."""
    for path, text in dagster_files(settings).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return settings.dagster_home


def dagster_files(settings: Settings) -> dict[Path, str]:
    """Dagster's configuration; one that somebody else wrote into a folder of theirs stays as it is."""
    file = settings.dagster_home / "dagster.yaml"
    if file.is_file() and not file.is_relative_to(settings.local_dir):
        return {}
    return {file: configuration(settings)}


def configuration(settings: Settings) -> str:
    """The text of ``dagster.yaml``; an own server's URL, which may hold a password, is not in it."""
    url = json.dumps(settings.dagster_pg_url if settings.embedded_postgres else "")
    return (HERE / "dagster.yaml").read_text(encoding="utf-8").replace("POSTGRES_URL", url)


def create_dagster_tables(settings: Settings, say: Callable[[str], None]) -> None:
    """Create Dagster's tables before several of its processes would, all at once, or bring them to today's form.

    Does nothing when this release of Dagster has done so in the embedded server.

    Raises:
        PermanentError: they cannot be created; the text carries the last words.
    """
    # beside the data: whoever removes the one removes the other
    stamp = settings.postgres_passwords.parent / "data" / f"tables-of-dagster-{version('dagster')}"
    if settings.embedded_postgres and stamp.is_file():
        return
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with (settings.dagster_home / "tables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command, environment = [sys.executable, "-m", "stock_assets.defs.storage"], dict(settings.values)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=settings.home
        )
    if done.returncode:
        raise PermanentError(f"Dagster could not create its tables: {first_cause(done.stderr)}")
    if not settings.embedded_postgres:
        return
    stamp.touch()
    if (settings.dagster_home / "history" / "runs.db").is_file():
        say(f"dagster    keeps its records in PostgreSQL now; older ones stay in {settings.dagster_home}, unseen")
        say("dagster    `stock-assets report` shows each session that the lake holds as materialized")
