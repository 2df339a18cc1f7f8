"""A small attack: every kind of record in each of two rounds. A large one: `make attack SEED=1`."""

import uuid
from pathlib import Path

import pytest

from stock_assets.settings.platform import Settings
from stock_assets_tests.chaos.attack import ENVIRONMENT, attack


@pytest.mark.soak
@pytest.mark.usefixtures("kafka", "spark_connect", "warehouse")
def test_whatever_is_sent_no_critical_row_is_loaded_and_everything_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_ROOT", str(tmp_path / "lake"))
    for stage in ("TICKS", "BARS", "ACTIONS"):
        monkeypatch.setenv(f"KAFKA_{stage}_TOPIC", f"{stage.lower()}-{uuid.uuid4().hex[:8]}")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = attack(Settings.load(), seed=1, records=800, rounds=2)
    assert found.faults == [] and found.withheld > 0
    assert str(found).startswith("critical rows loaded 0, withheld ")
