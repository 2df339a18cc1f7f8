"""What the symbol's page marks of patterns."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from stock_assets.dashboard.symbol_numbers import ActionMark, pattern_marks
from stock_assets.reading.base_rates import BaseRate


def test_marks_of_patterns_say_how_often_they_are_seen() -> None:
    def seen(day: str, pattern: str, direction: str) -> dict[str, Any]:
        return {"trading_day": pd.Timestamp(day), "pattern": pattern, "direction": direction}

    rows = pd.DataFrame(
        [
            seen("2024-03-05", "gap_up", "bullish"),
            seen("2024-03-04", "doji", "neutral"),
            seen("2024-03-06", "gap_up", "bullish"),
            seen("2024-03-06", "golden_cross", "bullish"),
            seen("2024-03-05", "bearish_engulfing", "bearish"),
        ]
    )
    rates = {"doji": BaseRate(19, 100), "gap_up": BaseRate(7, 1000)}
    assert pattern_marks(rows, rates) == [
        ActionMark(date(2024, 3, 4), "neutral", "doji, on 19.0 % of all days"),
        ActionMark(date(2024, 3, 5), "neutral", "bearish engulfing; gap up, on 0.7 % of all days"),
        ActionMark(date(2024, 3, 6), "bullish", "gap up, on 0.7 % of all days; golden cross"),
    ]
    assert pattern_marks(rows.iloc[:0], rates) == []
