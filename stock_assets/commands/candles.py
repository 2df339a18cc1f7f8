"""bars -> lines of text: candles, and a line of averages.

Belongs here: drawing alone: scale, columns, characters. Does not belong here: which bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 20
_BODY, _FALLING, _WICK, _AVERAGE = "█", "░", "│", "•"


def draw(bars: pd.DataFrame, width: int, height: int = HEIGHT) -> list[str]:
    """Candles of ``bars`` (open, high, low, close, average, trading_day), oldest first, in so many characters.

    A full body closed at or above its open, a light one below. Of more bars than columns, each column is a candle of several: the
    first open, the highest high, the lowest low, the last close.
    """
    rows = bars[["open", "high", "low", "close", "average"]].to_numpy(float)
    axis = max(len(f"{value:,.2f}") for value in (rows[:, 1].max(), rows[:, 2].min()))
    columns = _columns(rows.tolist(), max(1, width - axis - 1))
    known = [value for column in columns for value in (column[1], column[2], column[4]) if not isnan(value)]
    bottom, top = min(known), max(known)
    step = (top - bottom) / height or 1.0

    def level(price: float) -> int:
        return min(height - 1, int((price - bottom) / step))

    picture = [[" "] * len(columns) for _ in range(height)]
    for place, (first, high, low, last, average) in enumerate(columns):
        for at in range(level(low), level(high) + 1):
            picture[at][place] = _WICK
        for at in range(level(min(first, last)), level(max(first, last)) + 1):
            picture[at][place] = _BODY if last >= first else _FALLING
        if not isnan(average):
            picture[level(average)][place] = _AVERAGE
    labelled = {at for at in range(height) if at % 4 == 0} | {height - 1}
    lines = []
    for at in reversed(range(height)):
        price = bottom + step * (at + 0.5)
        label = f"{price:,.2f}" if at in labelled else ""
        lines.append(f"{label:>{axis}} {''.join(picture[at])}".rstrip())
    first_day, last_day = (f"{bars['trading_day'].iloc[place]:%Y-%m-%d}" for place in (0, -1))
    gap = max(1, len(columns) - len(first_day) - len(last_day))
    lines.append(f"{'':>{axis}} {first_day}{' ' * gap}{last_day}")
    return lines


def _columns(rows: Sequence[Sequence[float]], width: int) -> list[tuple[float, float, float, float, float]]:
    """At most so many candles, of as many bars each as it takes."""
    several = -(-len(rows) // width)
    groups = [rows[at : at + several] for at in range(0, len(rows), several)]
    return [(g[0][0], max(row[1] for row in g), min(row[2] for row in g), g[-1][3], g[-1][4]) for g in groups]
