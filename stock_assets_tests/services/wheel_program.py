"""This checkout -> its wheel, and programs that know nothing of the checkout.

Belongs here: environments with the wheel. What they share with this one is linked: to build PySpark takes a minute each time,
and to compile all packages another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from stock_assets_tests.checkout import PROJECT

UV = Path(sys.executable).with_name("uv")
PACKAGES = Path(sysconfig.get_path("purelib"))


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in an environment that knows nothing of this checkout."""
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, env=elsewhere() | environment
    )


def elsewhere() -> dict[str, str]:
    """The environment without what leads to this checkout."""
    left_out = ("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_CURRENT_TEST", "STOCK_ASSETS_HOME")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built into ``folder``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def with_installed_packages(folder: Path, wheel: Path) -> Path:
    """The ``bin`` of an environment with the wheel, and all packages of this one behind it."""
    home = _new(folder)
    _done(UV, "pip", "install", "-q", "--no-deps", "--python", home, wheel, cwd=folder)
    (_packages(home) / "installed.pth").write_text(f"{PACKAGES}\n")
    for name in ("dagster", "dagster-daemon", "dagster-webserver"):
        _, program = UV.with_name(name).read_text().split("\n", 1)
        (home / "bin" / name).write_text(f"#!{home}/bin/python\n{program}")
        (home / "bin" / name).chmod(0o755)
    (home / "bin" / "uv").symlink_to(UV)
    return home / "bin"


def with_its_needs_alone(folder: Path, wheel: Path) -> Path:
    """The ``bin`` of an environment with the wheel and what it requires; its extra is left out."""
    home, override = _new(folder), folder / "override.txt"
    override.write_text("pyspark ; sys_platform == 'never'\n")
    given = ["--python", home, "-c", PROJECT / "requirements.lock", "--override", override]
    _done(UV, "pip", "install", "-q", *given, wheel, cwd=folder)
    for found in PACKAGES.glob("pyspark*"):
        (_packages(home) / found.name).symlink_to(found)
    return home / "bin"


def _new(folder: Path) -> Path:
    _done(UV, "venv", "-q", "--python", sys.executable, folder / "env", cwd=folder)
    return folder / "env"


def _packages(home: Path) -> Path:
    (found,) = home.glob("lib/python*/site-packages")
    return found


def _done(*command: str | Path, cwd: Path) -> None:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr
