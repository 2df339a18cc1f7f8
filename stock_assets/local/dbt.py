"""nothing -> the pinned dbt, in an environment of its own.

Belongs here: installing it once, beside the jars, and parsing the project with it.
Does not belong here: building models (``defs.marts``), the project (``warehouse.models``).

Apart from ours, since importing dagster-dbt takes three times as long with dbt beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import dbt_environment
from stock_assets.warehouse.column_lineage import add_column_lineage
from stock_assets.warehouse.models import PROJECT, store_manifest
from stock_assets.warehouse.set_up import schema_statements, table_statements

LOCK = Path(__file__).with_name("dbt.lock.txt")
INSTALL_TIMEOUT_S = 900
CALL_TIMEOUT_S = 600


def program(settings: Settings) -> Path:
    """The dbt of these settings; by default beside the jars, where several ``local_dir`` share it."""
    if settings.warehouse.dbt:
        return Path(settings.warehouse.dbt)
    of_lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return settings.jars_dir / f"dbt-{python}-{of_lock}" / "bin" / "dbt"


def install(settings: Settings, say: Callable[[str], None] = lambda _: None) -> Path:
    """The program; installed when it is not there yet. Later calls need no network.

    Raises:
        ServiceUnavailable: the packages cannot be fetched.
        PermanentError: the settings name a program that is not there, or there is no uv.
    """
    target = program(settings)
    if target.is_file():
        return target
    if settings.warehouse.dbt:
        raise PermanentError(f"DBT_EXECUTABLE is {target}, and there is no such program.")
    home = target.parents[1]
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "dbt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second caller waits, and finds what the first one made
        if not target.is_file():
            began = time.monotonic()
            say("dbt        installing it, once: 170 MB")
            # programs of an environment know its path, so it is made where it stays; the program itself comes last
            shutil.rmtree(home, ignore_errors=True)
            python = home / "bin" / "python"
            uv = _uv(settings)
            _run([uv, "venv", "-q", "--python", sys.executable, str(home)])
            packages = ["--no-deps", "--require-hashes", "-r", str(LOCK)]
            _run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *packages])
            say(f"dbt        installed in {time.monotonic() - began:.0f} s")
    return target


def parse(settings: Settings, target: Path) -> None:
    """Have dbt read the project, so that later calls with the same ``target`` start quickly.

    Raises:
        PermanentError: dbt cannot read it; the text carries dbt's words.
    """
    _call(settings, ["parse"], target)


def write_docs(settings: Settings) -> Path:
    """One page about all models, their columns as the warehouse has them, and what reads what.

    Raises:
        PermanentError: dbt cannot write it; the text carries dbt's words.
    """
    target = settings.local_dir / "dbt" / "docs"
    _call(settings, ["docs", "generate", "--static"], target)
    page = target / "static_index.html"
    return page.replace(target / "index.html")


def make_manifest(settings: Settings) -> None:
    """Parse the project as it is and keep the manifest beside it; the same files give the same manifest everywhere."""
    plain = Settings(
        {**settings.values, **dict.fromkeys((n for n in settings.values if n.startswith("SNOWFLAKE_")), "")}
    )
    with tempfile.TemporaryDirectory() as folder:
        parse(plain, Path(folder))
        made = json.loads((Path(folder) / "manifest.json").read_text())
    add_column_lineage(made, [*table_statements(), *schema_statements()])
    store_manifest(made)


def _call(settings: Settings, arguments: list[str], target: Path) -> None:
    command = [str(install(settings)), *arguments, "-q", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    command += ["--target-path", str(target), "--log-path", str(target)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=CALL_TIMEOUT_S,
        check=False,
        env={**settings.values, **dbt_environment(settings)},
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-600:]
        raise PermanentError(f"`dbt {' '.join(arguments)}` of {PROJECT} failed: {said}")


def _uv(settings: Settings) -> str:
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), settings.local.search_path]))
    if found is None:
        raise PermanentError(
            "dbt is installed by uv, which is not on the PATH: install stock-assets[local] or uv, or set DBT_EXECUTABLE."
        )
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ServiceUnavailable(
            f"dbt was not installed within {INSTALL_TIMEOUT_S // 60} minutes; try again."
        ) from None
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        cause = lines[0][:300] if lines else "uv said nothing"
        raise ServiceUnavailable(f"dbt could not be installed: {cause}; check the network, then try again.")
