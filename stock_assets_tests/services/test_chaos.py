"""A short soak: every fault once. A long one: `make chaos SEED=1 MINUTES=20`."""

from pathlib import Path

import pytest

from stock_assets_tests.chaos.soak import Soak, soak


@pytest.mark.timeout(600)
def test_every_fault_fires_and_nothing_is_lost_or_doubled(tmp_path: Path, minio: object) -> None:
    found = soak(seed=7, minutes=0, folder=tmp_path)
    assert set(found["fired"]) == {name.removeprefix("fault_") for name in dir(Soak) if name.startswith("fault_")}
    assert found["records"] > 5000
