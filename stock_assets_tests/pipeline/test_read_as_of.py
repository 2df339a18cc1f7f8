"""Tables as they were at an instant."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import stock_assets
from stock_assets.cli import app
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import DAILY_METRICS, RAW_ACTIONS
from stock_assets_tests.pipeline.raw_rows import action, land
from stock_assets_tests.pipeline.readable_lake import settings_of, store_metrics

DAYS = date(2024, 6, 7), date(2024, 6, 10)


def closes(lake: str, **asked: Any) -> list[float]:
    return list(stock_assets.read("metrics", settings=settings_of(lake), **asked)["close"])


def now() -> datetime:
    """An instant that no commit shares."""
    time.sleep(0.02)
    found = datetime.now(UTC)
    time.sleep(0.02)
    return found


@pytest.fixture
def instants(lake: str) -> tuple[datetime, datetime, datetime]:
    """Before metrics of two sessions, between them and their correction (which withholds one), and after it."""
    before = now()
    store_metrics(lake, {("IBM", DAYS[0]): Decimal(100), ("IBM", DAYS[1]): Decimal(50)})
    between = now()
    DeltaTable(f"{lake}/{DAILY_METRICS.path}").delete()
    store_metrics(lake, {("IBM", DAYS[0]): Decimal(101), ("IBM", DAYS[1]): Decimal(51)}, withheld=[DAYS[1]])
    return before, between, now()


@pytest.mark.parametrize("symbols", [None, "IBM"])
def test_a_table_is_read_as_readers_saw_it(
    lake: str, instants: tuple[datetime, datetime, datetime], symbols: str | None
) -> None:
    _, between, after = instants
    assert closes(lake, symbols=symbols, as_of=between) == [100.0, 50.0]
    assert closes(lake, symbols=symbols, as_of=between.isoformat(), start=DAYS[1]) == [50.0]
    assert closes(lake, symbols=symbols, as_of=after) == closes(lake, symbols=symbols) == [101.0]


def test_an_export_writes_what_was_known(
    lake: str, instants: tuple[datetime, datetime, datetime], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(tmp_path / "local"))
    before, between, _ = instants

    def exported(*asked: str) -> list[float]:
        done = CliRunner().invoke(app, ["export", "metrics", *asked], catch_exceptions=False)
        return [float(row["close"]) for row in csv.DictReader(io.StringIO(done.output))]

    assert exported() == [101.0]
    assert exported("--as-of", between.isoformat()) == [100.0, 50.0]
    assert exported("--as-of", f"{between:%Y-%m-%dT%H:%M:%S.%f}", "--symbol", "IBM", "--from", f"{DAYS[1]}") == [50.0]
    with pytest.raises(PermanentError, match="it was made at 20"):
        exported("--as-of", before.isoformat())
    with pytest.raises(PermanentError, match="'soon' is not an instant; write YYYY-MM-DDTHH:MM"):
        exported("--as-of", "soon")
    with pytest.raises(PermanentError, match="stocks cannot be read as of an instant"):
        CliRunner().invoke(
            app, ["export", "--bi", str(tmp_path / "bi"), "--as-of", "2024-06-10"], catch_exceptions=False
        )
    assert not (tmp_path / "bi").exists()


def test_prices_are_adjusted_by_what_was_known(lake: str, instants: tuple[datetime, datetime, datetime]) -> None:
    _, between, after = instants
    land(lake, RAW_ACTIONS, [action(DAYS[1], "split", 2.0, symbol="IBM", known_at=after)])
    asked = {"symbols": "IBM", "adjusted": "splits"}
    assert closes(lake, **asked, as_of=between) == [100.0, 50.0]
    assert closes(lake, **asked, as_of=after) == [50.5]


def test_before_the_table_there_is_a_sentence(lake: str, instants: tuple[datetime, datetime, datetime]) -> None:
    with pytest.raises(PermanentError, match="daily_metrics cannot be read as of .*: it was made at 20"):
        closes(lake, as_of=instants[0])


def test_what_is_no_longer_kept_is_a_sentence(lake: str, instants: tuple[datetime, datetime, datetime]) -> None:
    table = DeltaTable(f"{lake}/{DAILY_METRICS.path}")
    assert table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(PermanentError, match="was changed since, and is no longer kept"):
        closes(lake, as_of=instants[1])
    assert closes(lake, as_of=instants[2]) == [101.0]


@pytest.mark.parametrize("table", ["stocks", "quarantine"])
def test_what_is_put_together_from_tables_is_refused(lake: str, table: str) -> None:
    with pytest.raises(PermanentError, match=f"{table} cannot be read as of an instant"):
        stock_assets.read(table, as_of=datetime.now(UTC) - timedelta(days=1), settings=settings_of(lake))
