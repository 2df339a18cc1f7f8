"""Marts on the running stand-in, by the pinned dbt: what a build changes equals what a full one would make."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from snowflake.connector import SnowflakeConnection

from stock_assets.defs.mart_runs import build_marts
from stock_assets.defs.marts import marts
from stock_assets.defs.resources import resources
from stock_assets.domain.sessions import sessions_between
from stock_assets.local import dbt
from stock_assets.local.dagster import ensure_home
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.settings.warehouse import Snowflake
from stock_assets.warehouse import models
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.for_marts import count_sessions_to_rebuild
from stock_assets.warehouse.set_up import set_up
from stock_assets_tests.services.marts_rows import load_metrics, run_dbt, table

DAYS = sessions_between(date(2024, 1, 2), date(2024, 3, 27))
SYMBOLS = ("AAPL", "JPM", "ZZZ")
MARTS = (
    "DIM_TRADING_DAY", "DIM_STOCKS", "FACT_STOCK_DAILY", "MART_SYMBOL_PERFORMANCE", "MART_SECTOR_PERFORMANCE",
    "MART_MARKET_BREADTH", "MART_DATA_QUALITY", "MART_SESSION_SLA",
)  # fmt: skip


@pytest.fixture
def own_schema(
    services: Services, warehouse: Snowflake, installed_dbt: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """The shared warehouse, in a schema of the test's own, and an empty lake."""
    monkeypatch.setenv("SNOWFLAKE_SCHEMA", f"MARTS_{abs(hash(tmp_path)) % 10**9}")
    monkeypatch.setenv("LAKE_ROOT", str(tmp_path / "lake"))
    monkeypatch.setenv("FIRST_SESSION", str(DAYS[0]))
    monkeypatch.setenv("UNIVERSE", ",".join(SYMBOLS))
    services.up(["postgres"])
    settings = Settings.load()
    monkeypatch.setenv("DAGSTER_HOME", str(ensure_home(settings)))
    return Settings.load()


@pytest.fixture
def connection(own_schema: Settings) -> Iterator[SnowflakeConnection]:
    with connect(own_schema.snowflake) as opened:
        set_up(opened, own_schema.snowflake)
        yield opened


@pytest.mark.usefixtures("installed_dbt")
def test_the_stored_manifest_is_that_of_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = models.MANIFEST.read_text()
    monkeypatch.setattr(models, "MANIFEST", tmp_path / "manifest.json")
    dbt.make_manifest(Settings.load())
    assert (tmp_path / "manifest.json").read_text() == stored, "run `make manifest`"


def test_incremental_equals_full_and_rebuilds_what_was_loaded_alone(
    own_schema: Settings, connection: SnowflakeConnection
) -> None:
    chance = random.Random(7)
    closes = {(symbol, day): Decimal(100 + n) for n, day in enumerate(DAYS) for symbol in SYMBOLS}
    load_metrics(connection, closes, DAYS)
    first = build_marts(own_schema)
    assert first.sessions == len(DAYS) and set(first.statuses) == {"success", "pass"}
    again = build_marts(own_schema)
    assert again.sessions == 0

    touched: set[date] = set()
    split = DAYS[40]
    for run in range(5):  # of which no build takes notice
        some = chance.sample(DAYS, 4)
        for day in some:
            symbol = chance.choice(SYMBOLS)
            if run % 2 and (symbol, day) in closes:
                del closes[symbol, day]
            else:
                closes[symbol, day] = Decimal(chance.randrange(50, 150))
        if run == 2:
            closes |= {
                (symbol, day): close / 2 for (symbol, day), close in closes.items() if day >= split and symbol == "AAPL"
            }
            some += [day for day in DAYS if day >= split]
        touched |= set(some)
        load_metrics(connection, closes, sorted(set(some)))
    emptied = DAYS[3]
    for symbol in SYMBOLS:
        closes.pop((symbol, emptied), None)
    touched.add(emptied)
    load_metrics(connection, closes, [emptied])

    before = {row[0]: row[-1] for row in table(connection, "FACT_STOCK_DAILY")}
    assert count_sessions_to_rebuild(connection) == len(touched)
    sixth = build_marts(own_schema)
    after = {row[0]: row[-1] for row in table(connection, "FACT_STOCK_DAILY")}
    rebuilt = {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}
    print(f"{len(touched)} sessions were loaded again, {len(rebuilt)} rebuilt")
    assert rebuilt == touched and sixth.sessions == len(touched)

    incremental = {name: table(connection, name) for name in MARTS}
    run_dbt(own_schema, own_schema.local_dir / "full", "run", "--full-refresh")
    for name in MARTS:
        assert table(connection, name) == incremental[name], name


@pytest.mark.usefixtures("connection")
def test_the_models_units_and_their_page(own_schema: Settings) -> None:
    folder = own_schema.local_dir / "units"
    run_dbt(own_schema, folder, "run", "--empty")
    page = dbt.write_docs(own_schema)
    assert "fact_stock_daily" in page.read_text()
    assert run_dbt(own_schema, folder, "test", "--select", "test_type:unit")["pass"] >= 8


@pytest.mark.usefixtures("connection")
def test_a_model_that_does_not_compile_fails_in_one_sentence(
    own_schema: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "models"
    shutil.copytree(models.PROJECT, copy)
    (copy / "models" / "marts" / "mart_market_breadth.sql").write_text(
        "select no_such_column from {{ ref('int_stock_daily') }}"
    )
    for module in ("stock_assets.defs.marts", "stock_assets.local.dbt", "stock_assets.warehouse.models"):
        monkeypatch.setattr(f"{module}.PROJECT", copy)
    monkeypatch.setattr("stock_assets.defs.marts.check_manifest", lambda: None)
    done = dg.materialize(
        marts(own_schema),
        instance=dg.DagsterInstance.ephemeral(),
        resources=resources(own_schema),
        raise_on_error=False,
    )
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    told = failed.step_failure_data.error.message if failed.step_failure_data.error else ""
    assert "mart_market_breadth error" in told and "no_such_column" in told.lower()
    built = [event.asset_key for event in done.get_asset_materialization_events()]
    assert dg.AssetKey(["marts", "fact_stock_daily"]) in built
