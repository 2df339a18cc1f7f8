"""A file of closes -> the warehouse's metrics, in a process of its own that can be killed."""

from __future__ import annotations

import json
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

from stock_assets.domain.errors import TransientError
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.set_up import set_up
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.marts_rows import Closes, load_metrics


def store(file: Path, closes: Closes, days: list[date]) -> None:
    """Write what ``load`` reads."""
    told = [(symbol, day.isoformat(), str(close)) for (symbol, day), close in closes.items()]
    file.write_text(json.dumps({"closes": told, "days": [day.isoformat() for day in days]}))


def load(file: Path) -> bool:
    """Load the sessions of the file; False when the transaction of a loader that was killed still goes on, as for a run."""
    told = json.loads(file.read_text())
    closes = {(symbol, date.fromisoformat(day)): Decimal(close) for symbol, day, close in told["closes"]}
    place = Settings.load().snowflake
    try:
        with connect(place) as connection:
            set_up(connection, place)
            load_metrics(connection, closes, [date.fromisoformat(day) for day in told["days"]])
    except TransientError:
        return False
    return True


if __name__ == "__main__":
    wait_for(lambda: load(Path(sys.argv[1])), pause_s=2)
