"""Metrics, as a build loads them, and dbt run on what was loaded."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from snowflake.connector import SnowflakeConnection

from stock_assets.domain.sessions import contiguous_ranges
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.local import dbt
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import dbt_environment
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.load import load_range
from stock_assets.warehouse.models import PROJECT
from stock_assets_tests.unit.test_warehouse_sql import metrics

Closes = Mapping[tuple[str, date], Decimal]


def metric_rows(closes: Closes) -> list[dict[str, Any]]:
    """Rows of the metrics with what follows from the closes alone."""
    rows, before = [], dict[str, Decimal]()
    for (symbol, day), close in sorted(closes.items(), key=lambda each: each[0][1]):
        previous = before.get(symbol)
        change = None if previous is None else close - previous
        rows.append(
            {
                "symbol": symbol, "trading_day": day, "year": day.year, "source": "yahoo", "open": close, "low": close,
                "high": close + 1, "close": close, "previous_close": previous, "change": change, "currency": "USD",
            }
        )  # fmt: skip
        before[symbol] = close
    return rows


def load_metrics(connection: SnowflakeConnection, closes: Closes, days: Iterable[date]) -> None:
    """Load these sessions, a range at a time, as builds do."""
    rows = metric_rows(closes)
    for first, last in contiguous_ranges(list(days)):
        of_range = metrics(*(row for row in rows if first <= row["trading_day"] <= last))
        load_range(connection, of_range, DAILY_METRICS, first, last, Origin("test", 1))


def run_dbt(settings: Settings, folder: Path, *arguments: str) -> Counter[str]:
    """Run dbt as the marts' asset does; the statuses of what it built."""
    command = [str(dbt.install(settings)), *arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    environment = os.environ | dbt_environment(settings) | {"DBT_TARGET_PATH": str(folder), "DBT_LOG_PATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    results = json.loads((folder / "run_results.json").read_text())["results"]
    assert done.returncode == 0, done.stdout[-3000:]
    return Counter(each["status"] for each in results if not each["unique_id"].startswith("exposure."))


def table(connection: SnowflakeConnection, name: str) -> list[tuple[Any, ...]]:
    """All rows of a table, in an order of their own."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {name}")
        return sorted((tuple(row) for row in cursor.fetchall()), key=repr)
