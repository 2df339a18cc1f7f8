"""symbols that are asked for -> the companies they stand for, and their rows.

Belongs here: one history for a company that was renamed, whichever of its symbols is asked for; hints for symbols nobody has.
Does not belong here: which renames there are (``domain.universe``), reading (``frames``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import Table
from stock_assets.domain.universe import Rename, Universe, default_universe
from stock_assets.lake.engine import literal

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def company_of(symbol: str, universe: Universe | None) -> str:
    """The company that has the symbol now; else the one that had it last; else the symbol stands for itself."""
    listed = universe or default_universe()
    named = sorted((each for each in listed.listings if each.symbol == symbol), key=lambda each: each.active_to)
    return listed.present_symbol(named[-1]) if named else symbol


def names_of(company: str, renames: Iterable[Rename]) -> set[str]:
    """The symbols under which the company ever traded."""
    return {company, *(each.symbol for each in renames if each.company == company)}


def rows_of(companies: Iterable[str], renames: Sequence[Rename]) -> ds.Expression:
    """The rows of these companies in a table that has symbols and sessions."""
    import pyarrow.dataset as ds

    symbol, day = ds.field("symbol"), ds.field("trading_day")

    def under(rename: Rename) -> ds.Expression:
        return (symbol == rename.symbol) & (day >= rename.first_day) & (day <= rename.last_day)

    found = []
    for company in companies:
        others = [~under(each) for each in renames if each.symbol == company != each.company]
        found.append(reduce(and_, others, symbol == company))
        found += [under(each) for each in renames if each.company == company != each.symbol]
    return reduce(or_, found)


def company_column(renames: Iterable[Rename], symbol: str = "symbol", day: str = "trading_day") -> str:
    """SQL for the company that traded under ``symbol`` on ``day``."""
    cases = " ".join(
        f"WHEN {symbol} = {literal(each.symbol)} AND {day} BETWEEN {literal(each.first_day)} AND {literal(each.last_day)} "
        f"THEN {literal(each.company)}"
        for each in renames
    )
    return f"CASE {cases} ELSE {symbol} END" if cases else symbol


def refuse_unknown(asked: str, names: set[str], known: Collection[str], table: Table) -> None:
    """See that the table has rows of a symbol, whenever.

    Raises:
        PermanentError: it has none; the text names a symbol that may have been meant.
    """
    if names.isdisjoint(known):
        upper = asked.strip().upper()
        near = [upper] if upper in known else get_close_matches(upper, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else " It has no symbol at all." if not known else ""
        raise PermanentError(f"{table.name} has no symbol {asked!r}.{hint}")
