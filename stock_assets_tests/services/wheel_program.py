"""This checkout -> its wheel, and programs that know nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stock_assets_tests.checkout import PROJECT

UV = Path(sys.executable).with_name("uv")


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
