"""settings -> Dagster's code server, web server and daemon.

Belongs here: their commands, Dagster's configuration and databases. Does not belong here: starting them (``services``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.causes import first_cause
from stock_assets.local.program import HERE, LOOPBACK, Program
from stock_assets.settings.platform import Settings


def dagster(settings: Settings) -> list[Program]:
    """One code server for both: without it each loads the definitions itself, and the daemon again every minute."""
    tools, home, port = Path(sys.executable).parent, settings.dagster_home, settings.local.dagster_port
    environment = {"DAGSTER_HOME": str(home)}
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
    """Folder of the Dagster instance, with its configuration and databases, made if missing.

    Raises:
        PermanentError: the databases cannot be created.
    """
    for path, text in dagster_files(settings).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    create_dagster_storage(settings)
    return settings.dagster_home


def dagster_files(settings: Settings) -> dict[Path, str]:
    """Dagster's configuration; one that somebody else wrote into a folder of theirs stays as it is."""
    file = settings.dagster_home / "dagster.yaml"
    if file.is_file() and not file.is_relative_to(settings.local_dir):
        return {}
    return {file: (HERE / "dagster.yaml").read_text(encoding="utf-8")}


def create_dagster_storage(settings: Settings) -> None:
    """Create Dagster's databases before several of its processes would, all at once; does nothing when they exist.

    Raises:
        PermanentError: they cannot be created; the text carries the last words.
    """
    if (settings.dagster_home / "schedules" / "schedules.db").is_file():
        return
    environment = {**settings.values, "DAGSTER_HOME": str(settings.dagster_home)}
    command = [sys.executable, "-m", "stock_assets.defs.storage"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=settings.home
    )
    if done.returncode:
        raise PermanentError(f"Dagster could not create its databases: {first_cause(done.stderr)}")
