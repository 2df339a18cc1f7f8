"""Loads for BI tools and their server, killed anywhere: in the end every table equals the warehouse's."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal

import pytest

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.domain.sessions import sessions_between
from stock_assets.local.services import Services
from stock_assets.serving.compare import differences
from stock_assets.serving.connect import connection
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.set_up import set_up
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.marts_rows import load_metrics
from stock_assets_tests.services.serving_load import loaded

DAYS = sessions_between(date(2023, 11, 1), date(2024, 2, 15))
SYMBOLS = [f"S{number}" for number in range(40)]
LOAD = [sys.executable, "-m", "stock_assets_tests.services.serving_load"]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_kills_leave_nothing_half_loaded(own_settings: Settings, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    monkeypatch.setenv("SERVING", "on")
    settings, chance = Settings.load(), random.Random(5)
    services = Services(settings, print)
    closes = {(symbol, day): Decimal(100 + n) for n, day in enumerate(DAYS) for symbol in SYMBOLS}
    killed = {"loader": 0, "server": 0}
    try:
        services.up(["postgres", "warehouse"])
        fill(settings, closes, DAYS)
        began = time.monotonic()
        subprocess.run(LOAD, check=True)
        usual_s = time.monotonic() - began
        for number in range(rounds):
            some = chance.sample(DAYS, 20)
            for day in some:
                closes |= {(symbol, day): Decimal(chance.randrange(50, 150)) for symbol in SYMBOLS}
            fill(settings, closes, some)
            loader = subprocess.Popen(LOAD)
            try:
                loader.wait(chance.uniform(0.4, 1.0) * usual_s)
            except subprocess.TimeoutExpired:
                victim = "server" if number % 2 else "loader"
                os.kill(loader.pid if victim == "loader" else server(services), signal.SIGKILL)
                killed[victim] += 1
            loader.wait()
            assert mixed_sessions(settings) == []
        wait_for(lambda: loaded(settings), 120, pause_s=0.5)
        with connection(settings) as database, connect(settings.snowflake) as source, source.cursor() as cursor:
            assert differences(database, cursor) == {}
            (count,) = database.execute("SELECT count(*) FROM price_trends").fetchall()
        assert count == (len(closes),)
    finally:
        services.down()
    print(
        f"{rounds} rounds: killed {killed['loader']} loaders and {killed['server']} servers; serving equals the warehouse"
    )
    assert sum(killed.values()) >= rounds // 3


def fill(settings: Settings, closes: dict[tuple[str, date], Decimal], days: list[date]) -> None:
    """Sessions into the warehouse."""
    with connect(settings.snowflake) as opened:
        set_up(opened, settings.snowflake)
        load_metrics(opened, closes, sorted(days))


def server(services: Services) -> int:
    """The server's process."""
    return next(each.pid for each in services.status() if each.name == "postgres")


def mixed_sessions(settings: Settings) -> list[object]:
    """Sessions whose prices are of another load than their metrics, as a reader sees them right after a kill."""

    found: list[object] = []

    def answered() -> bool:
        try:
            with connection(settings) as opened:
                rows = opened.execute(
                    "SELECT p.trading_day FROM serving.daily_prices p JOIN serving.daily_metrics m "
                    "ON m.symbol = p.symbol AND m.trading_day = p.trading_day WHERE m.change <> p.close - m.previous_close LIMIT 5"
                )
                found.extend(rows.fetchall())
        except ServiceUnavailable:
            return False  # it starts again
        return True

    wait_for(answered, 60, pause_s=0.3)
    return found
