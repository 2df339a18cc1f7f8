"""raw bars -> what vendors changed after they had called it final, and which of their corrections do not count.

Belongs here: comparing a vendor's statements of one session, as traded, in the order in which they were made.
Does not belong here: building bars from the one that counts (``spark``).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise
from math import isclose
from typing import Any, NamedTuple

from stock_assets.domain.rules import rules_broken_as_traded
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


class Restated(NamedTuple):
    """Per cell, what came of a vendor's several statements on one daily bar, one sentence for each vendor.

    Attributes:
        corrections: the newest change of a final statement by another that counts.
        refused: the newest statement breaks a critical rule, so an earlier one counts.
    """

    corrections: dict[Cell, list[str]]
    refused: dict[Cell, list[str]]


def restated(lake_root: str, first: date = date.min, last: date = date.max) -> Restated:
    """What vendors said more than once of the sessions' daily bars."""
    import pyarrow.compute as pc

    columns = [*_KEY, "known_at", *PRICES, "volume", "price_basis", "interval", "final"]
    rows = read_sessions(lake_root, RAW_BARS, columns, first, last, accepted_only=True)
    rows = rows.filter(pc.equal(rows["interval"], "1d"))
    counts = rows.group_by(_KEY).aggregate([("known_at", "count")])
    several = counts.filter(pc.greater(counts["known_at_count"], 1)).select(_KEY)
    found = Restated(defaultdict(list), defaultdict(list))
    if not several.num_rows:
        return found
    stated: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows.join(several, _KEY, join_type="inner").to_pylist():
        stated[tuple(row[name] for name in _KEY)].append(row)
    adjusted = any(row["price_basis"] != "as_traded" for statements in stated.values() for row in statements)
    actions = _actions(lake_root) if adjusted else {}
    for (source, symbol, day), statements in sorted(stated.items()):
        statements.sort(
            key=lambda row: (row["known_at"], row["final"], *(row[name] or 0 for name in (*PRICES, "volume")))
        )
        counting = actions_that_count(actions.get(symbol, ()), source)
        factors = [_factor(row, counting) for row in statements]
        traded = [_as_traded(row, factor) for row, factor in zip(statements, factors, strict=True)]
        broken = [rules_broken_as_traded(row, factor) for row, factor in zip(statements, factors, strict=True)]
        if broken[-1] and not all(broken):
            said = (
                f"{source} said on {traded[-1]['known_at']:%Y-%m-%d %H:%M} UTC does not count: {'; '.join(broken[-1])}"
            )
            found.refused[symbol, day].append(f"what {said}")
        final = [row for row, breaches in zip(traded, broken, strict=True) if row["final"] and not breaches]
        changed = [(earlier, later) for earlier, later in pairwise(final) if _changes(earlier, later)]
        if changed:
            changes = "; ".join(_changes(*changed[-1]))
            when = f"{changed[-1][1]['known_at']:%Y-%m-%d %H:%M} UTC"
            found.corrections[symbol, day].append(f"{source} changed {changes} on {when}")
    return found


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


def _factor(row: Row, actions: list[Stated]) -> float:
    return factor_of_statement(actions, row["price_basis"], row["trading_day"], row["known_at"])


def _as_traded(row: Row, factor: float) -> Row:
    """The statement without the splits that the vendor knew of when it was made."""
    prices = {name: row[name] * factor for name in PRICES}
    return row | prices | {"volume": None if row["volume"] is None else float(row["volume"]) / factor}
