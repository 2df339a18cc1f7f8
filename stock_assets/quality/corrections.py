"""raw bars -> what vendors changed after they had called it final.

Belongs here: comparing a vendor's final statements of one session, as traded, in the order in which they were made.
Does not belong here: which statement the bars are built from (``spark``).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise
from math import isclose
from typing import Any

from stock_assets.domain.shares import show_shares
from stock_assets.domain.splits import Stated, actions_that_count, factor_of_statement
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS
from stock_assets.lake.tables import read_sessions

Row = dict[str, Any]
Cell = tuple[str, date]
PRICES = ("open", "high", "low", "close")
_KEY = ["source", "symbol", "trading_day"]
_SAME = 1e-5
"""Adjusting for splits and undoing it rounds: a difference below it is none."""


def corrections(lake_root: str, first: date, last: date) -> dict[Cell, list[str]]:
    """Per cell of these sessions, one sentence for each vendor that changed a final daily bar: its newest change."""
    import pyarrow.compute as pc

    columns = [*_KEY, "known_at", *PRICES, "volume", "price_basis", "interval", "final"]
    rows = read_sessions(lake_root, RAW_BARS, columns, first, last, accepted_only=True)
    rows = rows.filter(pc.and_(pc.equal(rows["interval"], "1d"), rows["final"]))
    counts = rows.group_by(_KEY).aggregate([("known_at", "count")])
    several = counts.filter(pc.greater(counts["known_at_count"], 1)).select(_KEY)
    if not several.num_rows:
        return {}
    stated: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows.join(several, _KEY, join_type="inner").to_pylist():
        stated[tuple(row[name] for name in _KEY)].append(row)
    adjusted = any(row["price_basis"] != "as_traded" for statements in stated.values() for row in statements)
    actions = _actions(lake_root) if adjusted else {}
    found: dict[Cell, list[str]] = defaultdict(list)
    for (source, symbol, day), statements in sorted(stated.items()):
        statements.sort(key=lambda row: (row["known_at"], *(row[name] or 0 for name in (*PRICES, "volume"))))
        counting = actions_that_count(actions.get(symbol, ()), source)
        traded = [_as_traded(row, counting) for row in statements]
        changed = [(earlier, later) for earlier, later in pairwise(traded) if _changes(earlier, later)]
        if changed:
            changes = "; ".join(_changes(*changed[-1]))
            found[symbol, day].append(f"{source} changed {changes} on {changed[-1][1]['known_at']:%Y-%m-%d %H:%M} UTC")
    return dict(found)


def _changes(earlier: Row, later: Row) -> list[str]:
    changes = [
        f"{name} {earlier[name]:.4f} to {later[name]:.4f}"
        for name in PRICES
        if not isclose(earlier[name], later[name], rel_tol=_SAME)
    ]
    was, now = earlier["volume"], later["volume"]
    same = was == now if was is None or now is None else isclose(was, now, rel_tol=_SAME, abs_tol=1)
    return changes if same else [*changes, f"volume {show_shares(was)} to {show_shares(now)}"]


def _actions(lake_root: str) -> dict[str, list[Stated]]:
    rows = read_sessions(lake_root, RAW_ACTIONS, ["symbol", *Stated._fields], date.min, date.max, accepted_only=True)
    found: dict[str, list[Stated]] = defaultdict(list)
    for row in rows.to_pylist():
        found[row.pop("symbol")].append(Stated(**row))
    return found


def _as_traded(row: Row, actions: list[Stated]) -> Row:
    """The statement without the splits that the vendor knew of when it was made."""
    factor = factor_of_statement(actions, row["price_basis"], row["trading_day"], row["known_at"])
    prices = {name: row[name] * factor for name in PRICES}
    return row | prices | {"volume": None if row["volume"] is None else float(row["volume"]) / factor}
