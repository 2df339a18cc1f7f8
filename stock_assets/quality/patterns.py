"""daily metrics -> live/patterns.

Belongs here: finding patterns in candles: which candles are neighbours, in one basis. The candles' forms are TA-Lib's.
Does not belong here: definitions (``domain.patterns``), how often they are (``reading.base_rates``), which sessions are stale.

A row depends on its session and the LOOKBACK_SESSIONS before, in the shares of its own session, and on nothing else: whatever
range is built, it comes out the same. Prices are handed to TA-Lib as whole numbers, of which its running sums are exact.

A session that is missing ends a chain: what is on both sides of it are no neighbours, and no gap. A split does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from stock_assets.domain.patterns import LOOKBACK_SESSIONS, PATTERNS
from stock_assets.domain.sessions import all_sessions, sessions_between
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Rename
from stock_assets.lake.tables import read_sessions

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Row = dict[str, Any]
PRICES = ("open", "high", "low", "close")
COLUMNS = ("symbol", "trading_day", *PRICES, "previous_close", "sma_50", "sma_200")
_UNITS = 1e6
"""In a unit of currency: prices have six decimals."""


def patterns_of(lake_root: str, days: Sequence[date], renames: Collection[Rename]) -> list[Row]:
    """The rows of these sessions, as the metrics are now."""
    if not days:
        return []
    known = all_sessions()
    first = known[max(0, known.index(min(days)) - LOOKBACK_SESSIONS)]
    rows = read_sessions(lake_root, DAILY_METRICS, list(COLUMNS), first, max(days))
    return find_patterns(rows, days, renames)


def find_patterns(metrics: pa.Table, days: Collection[date], renames: Collection[Rename] = ()) -> list[Row]:
    """The patterns of these sessions, by symbol, session and name.

    Args:
        metrics: COLUMNS of these sessions and of LOOKBACK_SESSIONS before each, in any order, a company once a session.
        renames: what makes one company of several symbols.
    """
    import numpy as np

    rows = metrics.select(list(COLUMNS)).sort_by([("symbol", "ascending"), ("trading_day", "ascending")])
    if not rows.num_rows:
        return []
    wanted = np.array(sorted(days), "datetime64[D]")
    symbols = np.array(rows["symbol"].to_pylist(), object)
    dates = rows["trading_day"].to_numpy().astype("datetime64[D]")
    companies = _companies(symbols, dates, renames)
    order = np.lexsort((dates, companies.astype(str)))
    symbols, dates, companies = symbols[order], dates[order], companies[order]
    numbers = {name: _whole(rows[name])[order] for name in COLUMNS[2:]}
    first, last = dates.min().astype(date), dates.max().astype(date)
    places = np.searchsorted(np.array(sessions_between(first, last), "datetime64[D]"), dates)
    follows = np.zeros(len(dates), bool)
    follows[1:] = (companies[1:] == companies[:-1]) & (places[1:] == places[:-1] + 1)
    found: list[Row] = []
    for name, has in _found(numbers, follows).items():
        for place in np.flatnonzero(has & np.isin(dates, wanted)):
            day = dates[place].astype(date)
            found.append(
                {
                    "year": day.year,
                    "trading_day": day,
                    "symbol": symbols[place],
                    "pattern": name,
                    "direction": PATTERNS[name].direction,
                }
            )
    return sorted(found, key=lambda row: (row["symbol"], row["trading_day"], row["pattern"]))


def _found(numbers: dict[str, np.ndarray[Any, Any]], follows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Per pattern which of the rows have it.

    Args:
        numbers: of each column but the first two.
        follows: whether a row's neighbour is the company's session before.
    """
    import numpy as np
    import talib

    has = {name: np.zeros(len(follows), bool) for name in PATTERNS}
    for begin, end, (opens, highs, lows, closes) in _chains(numbers, follows):
        before = len(opens) - (end - begin)
        for name, pattern in PATTERNS.items():
            if pattern.function is not None:
                signs = getattr(talib, pattern.function)(opens, highs, lows, closes)[before:]
                has[name][begin:end] = signs < 0 if pattern.direction == "bearish" else signs > 0
        for name, beyond in (("gap_up", lows[1:] > highs[:-1]), ("gap_down", highs[1:] < lows[:-1])):
            has[name][begin:end] = np.concatenate([[False], beyond])[before:]
    ahead = numbers["sma_50"] - numbers["sma_200"]  # NaN, of which nothing is true, while there are too few sessions
    earlier = np.concatenate([[np.nan], ahead[:-1]])
    has["golden_cross"] = follows & (ahead > 0) & (earlier <= 0)
    has["death_cross"] = follows & (ahead < 0) & (earlier >= 0)
    return has


def _chains(
    numbers: dict[str, np.ndarray[Any, Any]], follows: np.ndarray[Any, Any]
) -> Iterator[tuple[int, int, list[np.ndarray[Any, Any]]]]:
    """Rows from ``begin`` to before ``end`` that follow each other in the same shares, and their prices with those before them."""
    import numpy as np

    before = np.concatenate([[np.nan], numbers["close"][:-1]])
    steps = np.where(
        follows & (np.abs(numbers["previous_close"] - before) > 1), numbers["previous_close"] / before, 1.0
    )
    begins: list[int] = np.flatnonzero(~follows | (steps != 1.0)).tolist()
    start = 0
    for begin, end in zip(begins, [*begins[1:], len(follows)], strict=True):
        start = begin if not follows[begin] else start
        first = max(start, begin - LOOKBACK_SESSIONS)
        # what a price of each session before has to be multiplied by, to be in the shares of these
        factors = np.cumprod(steps[first + 1 : begin + 1][::-1])[::-1]
        factors = np.concatenate([factors, np.ones(end - begin)])
        yield begin, end, [np.rint(numbers[name][first:end] * factors) for name in PRICES]


def _companies(
    symbols: np.ndarray[Any, Any], dates: np.ndarray[Any, Any], renames: Collection[Rename]
) -> np.ndarray[Any, Any]:
    import numpy as np

    found = symbols.copy()
    for each in renames:
        within = (dates >= np.datetime64(each.first_day)) & (dates <= np.datetime64(each.last_day))
        found[(symbols == each.symbol) & within] = each.company
    return found


def _whole(prices: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Millionths as whole numbers, in floats; NaN for null."""
    import numpy as np
    import pyarrow as pa

    found: np.ndarray[Any, Any] = np.rint(prices.cast(pa.float64()).to_numpy() * _UNITS)
    return found
