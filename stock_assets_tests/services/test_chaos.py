"""A short soak: every fault once. A long one: `make chaos SEED=1 MINUTES=20`."""

import json
import subprocess
import sys

import pytest

from stock_assets.settings.platform import Settings
from stock_assets_tests.chaos.soak import Soak
from stock_assets_tests.checkout import PROJECT


@pytest.mark.soak
def test_every_fault_fires_and_nothing_is_lost_or_doubled(minio: Settings) -> None:
    # A process of its own, as for a user: Spark Connect keeps one session a process, and other tests have one.
    command = [sys.executable, "-m", "stock_assets_tests.chaos.soak", "7", "0"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    found = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert set(found["fired"]) == {name.removeprefix("fault_") for name in dir(Soak) if name.startswith("fault_")}
    assert found["records"] > 5000
