"""rows of a universe file -> which symbols there are on a day.

Belongs here: listings in time, their renames, and the default universe.
Does not belong here: where a universe comes from (``settings``), and what is done with a record of another symbol (``lake``).

A file is CSV with the columns ``symbol, active_from, active_to, renamed_to``: dates YYYY-MM-DD, both included, empty for no
bound. Several rows of one symbol are one company after the other: tickers are used again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import resources
from typing import NamedTuple

from stock_assets.domain.errors import PermanentError

SIMULATED = re.compile(r"SIM\d+")
COLUMNS = ("symbol", "active_from", "active_to", "renamed_to")
Span = tuple[date, date]


@dataclass(frozen=True)
class Listing:
    """One symbol of one company, from its first to its last day; ``renamed_to`` goes on where it ends."""

    symbol: str
    active_from: date = date.min
    active_to: date = date.max
    renamed_to: str = ""


class Rename(NamedTuple):
    """From ``first_day`` to ``last_day`` a company traded under ``symbol``; ``company`` is the symbol it has now."""

    symbol: str
    first_day: date
    last_day: date
    company: str


@dataclass(frozen=True)
class Universe:
    """Listings of any number of symbols."""

    listings: tuple[Listing, ...]

    @classmethod
    def of_symbols(cls, symbols: Iterable[str]) -> Universe:
        """These symbols, at all times."""
        return cls(tuple(Listing(symbol) for symbol in dict.fromkeys(symbols)))

    @classmethod
    def parse(cls, text: str, name: str) -> Universe:
        """The listings of a file.

        Raises:
            PermanentError: a row cannot be read; the text names file, row and field.
        """
        rows = csv.DictReader(text.splitlines())
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise PermanentError(
                f"{name}: its first row must be {','.join(COLUMNS)}, not {','.join(rows.fieldnames or ())}"
            )
        listings = tuple(_listing(row, f"{name}, row {number}") for number, row in enumerate(rows, start=2))
        known = {listing.symbol for listing in listings}
        for listing in listings:
            if listing.renamed_to and listing.renamed_to not in known:
                raise PermanentError(f"{name}: {listing.symbol} was renamed to {listing.renamed_to}, which has no row")
        if not listings:
            raise PermanentError(f"{name} has no symbol")
        return cls(listings)

    def active(self, day: date) -> tuple[str, ...]:
        """Symbols traded under that name on a day, in the file's order."""
        found = (listing.symbol for listing in self.listings if listing.active_from <= day <= listing.active_to)
        return tuple(dict.fromkeys(found))

    def accepts(self, symbol: str, day: date) -> bool:
        """Whether a record of the symbol may be about that day."""
        return any(first <= day <= last for first, last in self.spans_of(symbol))

    def spans_of(self, symbol: str) -> tuple[Span, ...]:
        """First and last days that a record of the symbol may be about; a simulated one is of no universe and taken always."""
        return ((date.min, date.max),) if is_simulated(symbol) else self.spans.get(symbol, ())

    @cached_property
    def spans(self) -> Mapping[str, tuple[Span, ...]]:
        """First and last day that a record of each symbol may be about.

        Vendors give a company's whole history under its present name: it reaches back to the first day of its former ones.
        """
        found: dict[str, list[Span]] = {}
        for listing in self.listings:
            found.setdefault(listing.symbol, []).append((self._first_day(listing), listing.active_to))
        return {symbol: tuple(spans) for symbol, spans in found.items()}

    @cached_property
    def renames(self) -> tuple[Rename, ...]:
        """Every former name, ascending."""
        former = (each for each in self.listings if self.following(each))
        return tuple(sorted(Rename(e.symbol, e.active_from, e.active_to, self.present_symbol(e)) for e in former))

    def present_symbol(self, listing: Listing) -> str:
        """The symbol under which the listing's company trades now, through all its renames."""
        while following := self.following(listing):  # each begins after the one before has ended
            listing = following
        return listing.symbol

    def following(self, listing: Listing) -> Listing | None:
        """What the listing was renamed to: the first of that name after it ended; None when it was not."""
        later = [o for o in self.listings if o.symbol == listing.renamed_to and o.active_from > listing.active_to]
        return min(later, key=lambda other: other.active_from, default=None)

    def _first_day(self, listing: Listing) -> date:
        return min([listing.active_from, *(self._first_day(other) for other in self._formers.get(listing, ()))])

    @cached_property
    def _formers(self) -> Mapping[Listing, list[Listing]]:
        """Per listing, those that were renamed to it: it is the first of that name after they ended."""
        found: dict[Listing, list[Listing]] = {}
        for former in self.listings:
            if following := self.following(former):
                found.setdefault(following, []).append(former)
        return found


def is_simulated(symbol: str) -> bool:
    """Whether it can be no company's: New York's symbols have no digits. Such symbols are never missing on a day."""
    return SIMULATED.fullmatch(symbol) is not None


def default_universe() -> Universe:
    """Ten large US stocks."""
    return Universe.parse(resources.files("stock_assets.domain").joinpath("universe.csv").read_text(), "universe.csv")


def renames_of(universe: Universe | None) -> tuple[Rename, ...]:
    """The universe's renames; without one, those of the default one."""
    return (universe or default_universe()).renames


def same_companies(symbols: Iterable[str], renames: Iterable[Rename]) -> set[str]:
    """The symbols, and all that share a company with one of them, now or formerly."""
    found, pairs = set(symbols), [(each.symbol, each.company) for each in renames]
    while more := {name for pair in pairs if found.intersection(pair) for name in pair} - found:
        found |= more
    return found


def names_on(symbol: str, day: date, universe: Universe | None) -> list[str]:
    """The symbol, then the other names under which a record may tell of its company's day: META, then FB, in 2021."""
    known = universe or default_universe()
    others = same_companies([symbol], known.renames) - {symbol}
    return [symbol, *sorted(name for name in others if known.accepts(name, day))]


def _listing(row: Mapping[str, str | None], place: str) -> Listing:
    symbol = (row["symbol"] or "").strip().upper()
    if not symbol:
        raise PermanentError(f"{place}: symbol is empty")
    first, last = (_day(row[name], place, name) for name in ("active_from", "active_to"))
    if first and last and first > last:
        raise PermanentError(f"{place}: {symbol} is active from {first} to {last}")
    return Listing(symbol, first or date.min, last or date.max, (row["renamed_to"] or "").strip().upper())


def _day(text: str | None, place: str, name: str) -> date | None:
    if not (text or "").strip():
        return None
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError:
        raise PermanentError(f"{place}: {name} is {text!r}, not YYYY-MM-DD") from None
