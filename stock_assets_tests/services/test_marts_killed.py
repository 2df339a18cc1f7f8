"""Loads and builds of the marts that are killed anywhere: in the end everything is as if nobody had disturbed them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from stock_assets.defs.mart_runs import build_marts
from stock_assets.domain.sessions import sessions_between
from stock_assets.local.dagster import ensure_home
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.set_up import METRICS
from stock_assets_tests.services import marts_load
from stock_assets_tests.services.marts_rows import table

DAYS = sessions_between(date(2024, 1, 2), date(2024, 2, 15))
SYMBOLS = ("AAPL", "JPM", "ZZZ")
STORED = (METRICS, "FACT_STOCK_DAILY", "MART_SYMBOL_PERFORMANCE", "MART_SECTOR_PERFORMANCE", "MART_MARKET_BREADTH")
ROUNDS = 20


def place(patch: pytest.MonkeyPatch, schema: str, lake: Path) -> Settings:
    for name, value in {
        "SNOWFLAKE_SCHEMA": schema,
        "LAKE_ROOT": str(lake),
        "FIRST_SESSION": str(DAYS[0]),
        "UNIVERSE": ",".join(SYMBOLS),
    }.items():
        patch.setenv(name, value)
    Services(Settings.load()).up(["postgres"])
    patch.setenv("DAGSTER_HOME", str(ensure_home(Settings.load())))
    return Settings.load()


def run(command: list[str], kill_after_s: float | None = None) -> float | None:
    """Run a command, or kill it and all it started; its seconds, None when it was killed."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    assert process.returncode == 0, told[-3000:]
    return time.monotonic() - began


def stored(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Rows of what is stored, less when it was loaded."""
    with connect(settings.snowflake) as connection:
        found = {name: table(connection, name) for name in STORED}
    found["FACT_STOCK_DAILY"] = [row[:-1] for row in found["FACT_STOCK_DAILY"]]
    return {name: list(rows) for name, rows in found.items()}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("warehouse", "installed_dbt")
def test_kills_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chance = random.Random(3)
    disturbed = place(monkeypatch, "KILLED", tmp_path / "lake")
    closes: dict[tuple[str, date], Decimal] = {
        (symbol, day): Decimal(100 + n) for n, day in enumerate(DAYS) for symbol in SYMBOLS
    }
    file = tmp_path / "closes.json"
    load, marts = ["stock_assets_tests.services.marts_load", str(file)], ["stock_assets.cli", "marts"]
    marts_load.store(file, closes, DAYS)
    load_s, marts_s = run(load), run(marts)
    assert load_s and marts_s
    killed = {"load": 0, "marts": 0}
    for _ in range(ROUNDS):
        some = chance.sample(DAYS, 5)
        for day in some:
            closes[chance.choice(SYMBOLS), day] = Decimal(chance.randrange(50, 150))
        # as a build does, with the sessions whose previous close that is
        following = [after for before, after in pairwise(DAYS) if before in some]
        marts_load.store(file, closes, sorted({*some, *following}))
        killed["load"] += run(load, chance.uniform(0.4, 1) * load_s) is None
        run(load)
        killed["marts"] += run(marts, chance.uniform(0.1, 1) * marts_s) is None
    build_marts(disturbed)
    end = stored(disturbed)
    undisturbed = place(monkeypatch, "UNDISTURBED", tmp_path / "another")
    marts_load.store(file, closes, DAYS)
    run(load)
    build_marts(undisturbed)
    expected = stored(undisturbed)
    print(f"{ROUNDS} rounds: killed {killed['load']} loads and {killed['marts']} builds of the marts")
    assert min(killed.values()) > ROUNDS // 3
    for name in STORED:
        assert end[name] == expected[name], name
