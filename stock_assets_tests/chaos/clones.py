"""this checkout -> clones on strange machines, each compared with a plain one.

Belongs here: folders, locales, proxies and temporary folders that have broken such platforms, and what must come out the same.
Run as ``python -m stock_assets_tests.chaos.clones [MACHINE ...]``, by default all; each clone sets up as a newcomer's does, but finds the jars of this one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import own_ports

NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Machine:
    """One way in which a machine differs; ``environment`` is there when the demo runs, ``{folder}`` is the clone's parent."""

    name: str
    folder: str = "clone"
    environment: dict[str, str] = field(default_factory=dict)


MACHINES = (
    Machine("plain"),
    Machine("accents and blanks", "Zoë’s Übung"),
    Machine("per cent", "feature%2Fx"),
    Machine(
        "Turkish", environment={"JAVA_TOOL_OPTIONS": "-Duser.language=tr -Duser.country=TR", "LC_ALL": "tr_TR.UTF-8"}
    ),
    Machine("C locale, accents", "Zoë", {"LC_ALL": "C", "LANG": "C"}),
    Machine("proxies", environment=dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)),
    Machine("temporary folder", environment={"TMPDIR": "{folder}/it's [here]"}),
)


def outcome(machine: Machine, parent: Path, jars: Path) -> tuple[int, list[str], str]:
    """Exit status of the demo, the rows of its tables, and what it said last when it failed."""
    clone = parent / machine.folder
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
    usual = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "STOCK_ASSETS_LOCAL")}
    usual |= own_ports() | {"STOCK_ASSETS_JARS": str(jars), "FIRST_SESSION": "2013-02-01", "STOCK_ASSETS_HOME": ""}
    own = {name: text.replace("{folder}", str(parent)) for name, text in machine.environment.items()}
    Path(own.get("TMPDIR", parent)).mkdir(exist_ok=True)
    subprocess.run(["make", ".venv/complete"], cwd=clone, env=usual, check=True, capture_output=True)
    done = subprocess.run(["make", "demo"], cwd=clone, env=usual | own, capture_output=True, text=True, check=False)
    doctor = subprocess.run(
        [".venv/bin/stock-assets", "doctor"], cwd=clone, env=usual | own, capture_output=True, text=True, check=False
    )
    subprocess.run(["make", "down"], cwd=clone, env=usual | own, capture_output=True, check=False)
    strays = sorted({path.name for path in parent.iterdir()} - {machine.folder, "it's [here]"})
    rows = [re.sub(r" +[\d.]+ *$", "", line) for line in done.stdout.splitlines() if re.match(r" \w+/\w+ ", line)]
    wrong = [line for line in doctor.stdout.splitlines() if line.startswith("WRONG")]
    last = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("make: ")][-1:]
    said = "; ".join([*(last if done.returncode else []), *wrong, *strays])
    return done.returncode, [*rows, f"doctor {doctor.returncode}", f"strays {strays}"], said


def main(names: Sequence[str]) -> int:
    """Exit status 0 when each of those named, and by default each, ends as the plain one does."""
    jars, plain, worst = Settings.load().jars_dir, [], 0
    for machine in [each for each in MACHINES if not names or each.name in ("plain", *names)]:
        with tempfile.TemporaryDirectory(prefix="clone-", ignore_cleanup_errors=True) as folder:
            began = time.monotonic()
            status, rows, said = outcome(machine, Path(folder).resolve(), jars)
        plain = plain or rows
        same = status == 0 and rows == plain and len(rows) > 10
        worst |= not same
        verdict = "as plain" if same else "NOT as plain"
        print(f"{machine.name:<20} exit {status}  {verdict:<13} {time.monotonic() - began:5.0f} s  {said}", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
