"""statements about stocks -> the lake's reference tables, and back.

Belongs here: adding what is new, with the instant at which we learned it; nothing is ever changed or removed.
Does not belong here: which statement counts (``domain.stocks``), asking a vendor (``sources``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from stock_assets.domain.stocks import (
    DESCRIBED,
    RENAMES,
    SEED,
    STOCK_STATEMENTS,
    STOCKS,
    UNKNOWN,
    newest,
    seed,
)
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Listing, Universe, default_universe
from stock_assets.lake.tables import append_rows, open_table, read_sessions

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)
"""For a bound that is not known, and for one that lies ahead: dates that every warehouse and vendor's type holds."""


def learn(lake_root: str, said: Mapping[str, Mapping[str, str]], source: str) -> list[str]:
    """Store what a source says now of each symbol, where that differs from what it said last; returns these symbols."""
    known = newest(row for row in _read(lake_root, STOCK_STATEMENTS) if row["source"] == source)
    changed = [
        symbol
        for symbol, row in said.items()
        if symbol not in known or any(known[symbol][name] != row[name] for name in DESCRIBED)
    ]
    now = datetime.now(UTC)
    append_rows(
        lake_root,
        STOCK_STATEMENTS,
        [{"symbol": symbol, **said[symbol], "source": source, "known_at": now} for symbol in changed],
    )
    return changed


def learn_renames(lake_root: str, universe: Universe) -> None:
    """Store the universe's renames that we did not know."""
    known = {(row["symbol"], row["renamed_to"], row["last_day"]) for row in _read(lake_root, RENAMES)}
    told = {(each.symbol, each.renamed_to, each.active_to) for each in universe.listings if universe.following(each)}
    now = datetime.now(UTC)
    rows = [{"symbol": s, "renamed_to": to, "last_day": last, "known_at": now} for s, to, last in sorted(told - known)]
    append_rows(lake_root, RENAMES, rows)


def listed(lake_root: str, universe: Universe | None) -> Universe:
    """The universe; without one, what the default one says of the symbols that the lake has metrics of, and those it lacks."""
    if universe is not None:
        return universe
    held = set(read_sessions(lake_root, DAILY_METRICS, ["symbol"])["symbol"].unique().to_pylist())
    shipped = default_universe()
    companies = {shipped.present_symbol(each) for each in shipped.listings if each.symbol in held}
    known = [each for each in shipped.listings if shipped.present_symbol(each) in companies]
    others = held - {each.symbol for each in known}
    return Universe((*known, *(Listing(symbol) for symbol in sorted(others))))


def learn_shipped(lake_root: str, universe: Universe) -> None:
    """Store what this release and the universe's file say, of the universe's symbols."""
    symbols = {listing.symbol for listing in universe.listings}
    learn(lake_root, {symbol: row for symbol, row in seed().items() if symbol in symbols}, SEED)
    learn_renames(lake_root, universe)


def stocks(lake_root: str, universe: Universe) -> pa.Table:
    """STOCKS: each listing of the universe with what counts of what was said; what nobody says is ``unknown``."""
    import pyarrow as pa

    counted = newest(_read(lake_root, STOCK_STATEMENTS))
    renamed: dict[tuple[str, date], datetime] = {}
    for row in _read(lake_root, RENAMES):
        key = row["symbol"], row["last_day"]
        renamed[key] = min(renamed.get(key, row["known_at"]), row["known_at"])
    rows = []
    for listing in universe.listings:
        said = counted.get(listing.symbol, {})
        rows.append(
            {
                "symbol": listing.symbol,
                "valid_from": max(listing.active_from, FIRST_DAY),
                "valid_to": min(listing.active_to, LAST_DAY),
                "present_symbol": universe.present_symbol(listing),
                **{name: said.get(name, UNKNOWN) for name in DESCRIBED},
                "source": said.get("source", UNKNOWN),
                "known_at": said.get("known_at"),
                "renamed_known_at": renamed.get((listing.symbol, listing.active_to)),
            }
        )
    return pa.Table.from_pylist(rows, schema=STOCKS.arrow_schema())


def _read(lake_root: str, table: Table) -> list[dict[str, Any]]:
    handle = open_table(lake_root, table)
    return [] if handle is None else handle.to_pyarrow_table().to_pylist()
