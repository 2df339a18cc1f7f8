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

from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_TABLES
from stock_assets.lake.tables import read_sessions
from stock_assets.landing.commit import land
from stock_assets.landing.prepare import Limits
from stock_assets.local.backup import back_up
from stock_assets.local.dagster import ensure_home
from stock_assets.local.restore import restore
from stock_assets.local.services import Services
from stock_assets.observability.orchestration import opened
from stock_assets.raw.comparison import compare
from stock_assets.raw.completeness import prove
from stock_assets.settings.platform import Settings
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import TICKS, create_topics
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.services.landing_records import DAY, tick


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


def test_topics_lake_and_records_fit_each_other_after_a_restore(own_settings: Settings, tmp_path: Path) -> None:
    """Without Spark and the warehouse, so that it takes seconds; all of the platform is in the test below."""
    services = Services(own_settings, print)
    try:
        services.up(["kafka", "postgres"])
        ensure_home(own_settings)
        create_topics(own_settings.broker, 2)
        publish(own_settings.broker, [tick(number) for number in range(50)])
        landed = land_all(own_settings)
        publish(own_settings.broker, [tick(number) for number in range(50, 60)])  # not landed yet
        with opened(own_settings) as instance:
            assert instance is not None
            instance.report_runless_asset_event(dg.AssetMaterialization(RAW_KEYS["ticks"], partition=str(DAY)))
        services.down()
        back_up(own_settings, tmp_path / "backup")
        shutil.rmtree(own_settings.local_dir)

        restore(own_settings, tmp_path / "backup")

        services.up(["kafka", "postgres"])
        assert landed == 50 and land_all(own_settings) == 10
        assert rows(own_settings)["raw/ticks"] == 60
        assert all(proof.holds for proof in prove(own_settings.lake_root, TICKS))
        compared = list(compare(own_settings.lake_root, own_settings.broker, TICKS, None, every=True))
        assert sum(each.compared for each in compared) == 60 and not any(each.differences for each in compared)
        with opened(own_settings) as instance:
            assert instance is not None
            assert instance.get_materialized_partitions(RAW_KEYS["ticks"]) == {str(DAY)}
    finally:
        services.down()


def land_all(settings: Settings) -> int:
    """Records of the ticks' topic that are landed now."""
    landings = land(settings.lake_root, settings.broker, TICKS, Limits.of(settings), settings.universe)
    return sum(each.accepted for each in landings)


@pytest.mark.soak
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
    assert ran_now >= ran and partitions_now >= partitions  # what was asked for before the backup goes on

    told = run("verify")
    assert told.count("all equal") == 2 and "NO:" not in told, told
    assert "WRONG" not in run("doctor")
    assert "nothing: the lake holds every record already" in run("produce", "shipped")
    # the topics' offsets and those of the lake fit each other: what comes next follows what was there
    # of a past session: the market may be closed now
    publish(platform.broker, [tick(number) for number in range(100)])
    run("land")
    assert rows(platform)["raw/ticks"] == before["raw/ticks"] + 100
    told = run("verify")
    assert told.count("all equal") == 2 and "NO:" not in told, told
