"""daily bars -> quality/reconciliation.

Belongs here: which bars of a session are compared, the rows that come of it, and which cells the vendors disagree about.
Any two sources of daily bars can be a pair, also those built here from ticks or minutes beside a vendor's own.
Does not belong here: the verdict (``domain.reconciliation``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from stock_assets.domain.quality_tables import RECONCILIATION
from stock_assets.domain.reconciliation import Figures, Pair, Tolerance, compare
from stock_assets.domain.shares import show_shares
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.quality.judging import Judging

Row = dict[str, Any]
Cell = tuple[str, date]
"""Symbol and session."""
BAR_COLUMNS = ("trading_day", "symbol", "source", "close", "volume", "final", "no_auction")


def reconcile(lake_root: str, days: Sequence[date], judging: Judging) -> list[Row]:
    """The rows of these sessions, as the daily bars are now."""
    pairs = judging.choose(sources(lake_root))
    if not days or not pairs:
        return []
    bars = read_sessions(lake_root, DAILY_BARS, list(BAR_COLUMNS), min(days), max(days)).to_pylist()
    wanted = set(days)
    return compared((bar for bar in bars if bar["trading_day"] in wanted), pairs, judging.tolerance)


def compared(bars: Iterable[Row], pairs: Sequence[Pair], tolerance: Tolerance) -> list[Row]:
    """One row per symbol, session and pair of which at least one source has a bar."""
    cells: dict[Cell, dict[str, Figures]] = defaultdict(dict)
    for bar in bars:
        figures = Figures(bar["close"], bar["volume"], bar["final"], bar["no_auction"])
        cells[bar["symbol"], bar["trading_day"]][bar["source"]] = figures
    rows = []
    for (symbol, day), by_source in sorted(cells.items()):
        for pair in pairs:
            first, second = (by_source.get(source) for source in pair)
            if first is None and second is None:
                continue
            outcome = compare(first, second, tolerance)
            rows.append(
                {
                    "year": day.year,
                    "trading_day": day,
                    "symbol": symbol,
                    "first_source": pair[0],
                    "second_source": pair[1],
                    "verdict": outcome.verdict,
                    "missing_source": pair[0] if first is None else pair[1] if second is None else None,
                    "first_close": first.close if first else None,
                    "second_close": second.close if second else None,
                    "close_bps": outcome.close_bps,
                    "close_tolerance_bps": _six(tolerance.close_bps),
                    "first_volume": first.volume if first else None,
                    "second_volume": second.volume if second else None,
                    "volume_percent": outcome.volume_percent,
                    "volume_tolerance_percent": _six(outcome.volume_tolerance),
                }
            )
    return rows


def difference(row: Row) -> str:
    """What the two vendors of a row say, in one phrase with the numbers of both."""
    first, second = row["first_source"], row["second_source"]
    text = f"close {row['first_close']:.4f} {first}, {row['second_close']:.4f} {second} ({row['close_bps']:+.1f} bps)"
    text += f", volume {show_shares(row['first_volume'])} {first}, {show_shares(row['second_volume'])} {second}"
    return text if row["volume_percent"] is None else f"{text} ({row['volume_percent']:+.1f} %)"


def sources(lake_root: str) -> set[str]:
    """Sources that have daily bars."""
    import pyarrow.compute as pc

    return set(pc.unique(read_sessions(lake_root, DAILY_BARS, ["source"])["source"]).to_pylist())


def disagreeing(lake_root: str) -> frozenset[Cell]:
    """Cells of which the stored reconciliation says that vendors disagree, in one pair at least."""
    import pyarrow.dataset as ds

    handle = open_table(lake_root, RECONCILIATION)
    if handle is None:
        return frozenset()
    columns, wanted = ["symbol", "trading_day"], ds.field("verdict") == "disagree"
    rows = handle.to_pyarrow_dataset().to_table(columns=columns, filter=wanted).to_pylist()
    return frozenset((row["symbol"], row["trading_day"]) for row in rows)


def _six(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.000001"))
