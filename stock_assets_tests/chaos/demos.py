"""``make demo`` on fresh data, again and again -> a line for each.

Belongs here: emptying what earlier ones left, and what counts as right: exit status 0, and every bar in the warehouse.
Run as ``python -m stock_assets_tests.chaos.demos 20``; packages and jars stay, data of this checkout's ``.local`` goes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time

from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT

ROWS = "1,360"
KEPT = {"jars"}


def empty(settings: Settings) -> None:
    """End the services, and remove all their data."""
    Services(settings).down()
    for path in settings.local_dir.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main(times: int) -> int:
    """Exit status 0 when each was right."""
    settings, right = Settings.load(), 0
    for number in range(1, times + 1):
        empty(settings)
        began = time.monotonic()
        done = subprocess.run(["make", "demo"], cwd=PROJECT, capture_output=True, text=True, check=False)
        held = re.search(r"warehouse/daily_stock_metrics +([\d,]+) +([\d,]+)", done.stdout)
        rows = held.group(2) if held else "none"
        right += done.returncode == 0 and rows == ROWS
        said = "" if done.returncode == 0 else f"  {done.stderr.strip().splitlines()[-1][:120]}"
        print(
            f"{number:>3}  exit {done.returncode}  {rows:>6} rows  {time.monotonic() - began:5.0f} s{said}", flush=True
        )
    print(f"{right} of {times} right")
    return 0 if right == times else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
