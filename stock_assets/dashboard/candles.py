"""a symbol's sessions -> candles with averages, volume, RSI and MACD.

Belongs here: mounting the script over the vendored TradingView Lightweight Charts, and what it is given: columns as Arrow.
Does not belong here: reading, and what is computed from the rows (``symbol_numbers``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.symbol_numbers import ActionMark

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
HEIGHT = 640
SERIES = (
    "open", "high", "low", "close", "volume", "sma_50", "sma_200", "bollinger_upper", "bollinger_lower", "rsi_14", "macd",
    "macd_signal", "macd_histogram",
)  # fmt: skip


def show_candles(symbol: str, rows: pd.DataFrame, first: int, actions: list[ActionMark], currency_note: str) -> None:
    """Draw every session of ``rows``, scrolled to those from position ``first`` on."""
    table = rows[list(SERIES)].round(6)
    table.insert(0, "time", rows["trading_day"].astype("datetime64[s]").astype("int64").astype("float64"))
    known = set(rows["trading_day"].dt.date)
    given = {
        "rows": table,
        "symbol": symbol,
        "note": currency_note,
        "first": first,
        "actions": [
            {"day": str(each.day), "kind": each.kind, "text": each.text} for each in actions if each.day in known
        ],
        "colours": marks.palette()._asdict(),
    }
    _component()(data=given, key="candles", height=HEIGHT)


@cache
def _component() -> Any:
    return st.components.v2.component(
        "stock_assets_candles",
        html=(
            '<div class="frame"><div class="legend" aria-live="polite"></div>'
            '<button type="button" class="png">PNG</button><div class="chart" tabindex="0" role="img"></div></div>'
        ),
        css=(HERE / "candles.css").read_text(encoding="utf-8"),
        js=(HERE / "candles.js").read_text(encoding="utf-8"),
    )
