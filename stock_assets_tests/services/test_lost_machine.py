"""A machine is lost: all that was in it comes back from a backup, is proved equal, and goes on where it stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake.tables import read_sessions
from stock_assets.local.services import Services
from stock_assets.observability.orchestration import opened
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT


@pytest.fixture
def platform(own_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a platform with a home of its own and the demo's data, running."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".env").write_text("FIRST_SESSION=2013-02-25\n")
    monkeypatch.setenv("STOCK_ASSETS_HOME", str(tmp_path / "home"))
    settings = Settings.load()
    try:
        run("demo")
        yield settings
    finally:
        Services(settings).down()


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stock_assets.cli", *map(str, command)],
        capture_output=True, text=True, check=False, cwd=PROJECT, timeout=800,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def rows(settings: Settings) -> dict[str, int]:
    tables = (*RAW_TABLES.values(), MINUTE_BARS, DAILY_BARS, DAILY_METRICS)
    return {table.path: read_sessions(settings.lake_root, table, ["symbol"]).num_rows for table in tables}


def records(settings: Settings) -> tuple[set[str], Counter[str]]:
    """Ids of Dagster's ended runs, and how many partitions each asset has that are materialized."""
    with opened(settings) as instance:
        assert instance is not None
        ended = instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        keys = instance.all_asset_keys()
        return set(ended), Counter({k.to_user_string(): len(instance.get_materialized_partitions(k)) for k in keys})


@pytest.mark.timeout(3000)
def test_a_lost_machine_comes_back_whole_and_goes_on(platform: Settings, tmp_path: Path) -> None:
    before, (ran, partitions) = rows(platform), records(platform)
    assert all(before.values()) and ran and partitions["metrics/daily_metrics"]

    assert "backed up" in run("backup", tmp_path / "backup")
    running = {each.name for each in Services(platform).status() if each.pid}
    assert running >= {"kafka", "spark", "postgres", "warehouse", "dagster-daemon"}  # it only paused
    assert "whole" in run("restore", tmp_path / "backup", "--check")
    run("down")
    passwords = (platform.local_dir / "postgres" / "passwords").read_bytes()
    shutil.rmtree(platform.local_dir)
    shutil.rmtree(platform.home)
    platform.home.mkdir()

    run("restore", tmp_path / "backup")
    assert (platform.local_dir / "postgres" / "passwords").read_bytes() == passwords
    assert (platform.local_dir / "postgres" / "passwords").stat().st_mode & 0o777 == 0o600
    assert (platform.home / ".env").read_text() == "FIRST_SESSION=2013-02-25\n"
    run("up")
    assert rows(platform) == before
    ran_now, partitions_now = records(platform)
    assert ran_now >= ran and partitions_now == partitions

    told = run("verify")
    assert told.count("all equal") == 2 and "NO:" not in told, told
    assert "WRONG" not in run("doctor")
    assert "nothing: the lake holds every record already" in run("produce", "shipped")
    # the topics' offsets and those of the lake fit each other: what comes next follows what was there
    assert "published 100 records" in run("produce", "simulator", "--rate", "100", "--seconds", "1")
    run("land")
    assert rows(platform)["raw/ticks"] == before["raw/ticks"] + 100
    told = run("verify")
    assert told.count("all equal") == 2 and "NO:" not in told, told
