"""two vendors' bars of one symbol and session -> whether they agree.

Belongs here: the verdict, the differences it rests on, and which difference is let pass.
Does not belong here: which vendors are compared (``settings``, ``quality.reconciliation``) and what follows from it.

======== ======== ========================= ==========
first    second   both final and ...        verdict
======== ======== ========================= ==========
bar      none                               missing
none     bar                                missing
bar      bar      one is not final          moving
bar      bar      within both tolerances    agreed
bar      bar      beyond one of them        disagree
======== ======== ========================= ==========
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Verdict = Literal["agreed", "missing", "moving", "disagree"]
VERDICTS: tuple[Verdict, ...] = ("agreed", "missing", "moving", "disagree")
Pair = tuple[str, str]
"""Two sources of daily bars."""

_PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class Tolerance:
    """The largest differences that are none.

    Attributes:
        no_auction_percent: of the volume, where one of the bars omits the auctions.
    """

    close_bps: Decimal = Decimal(5)
    volume_percent: Decimal = Decimal(5)
    no_auction_percent: Decimal = Decimal(30)


@dataclass(frozen=True)
class Figures:
    """What is compared of a bar, as traded."""

    close: Decimal
    volume: Decimal | None
    final: bool = True
    no_auction: bool = False


@dataclass(frozen=True)
class Comparison:
    """The verdict; each difference is second less first, in parts of the larger, and None where it cannot be told."""

    verdict: Verdict
    close_bps: Decimal | None
    volume_percent: Decimal | None
    volume_tolerance: Decimal


def compare(first: Figures | None, second: Figures | None, tolerance: Tolerance) -> Comparison:
    """Compare two vendors' bars, of which one may be missing; an unknown volume is not held against them."""
    bars = [bar for bar in (first, second) if bar is not None]
    allowed = tolerance.no_auction_percent if any(bar.no_auction for bar in bars) else tolerance.volume_percent
    if first is None or second is None:
        return Comparison("missing", None, None, allowed)
    bps = _difference(first.close, second.close, 10_000)
    percent = None
    if first.volume is not None and second.volume is not None:
        percent = _difference(first.volume, second.volume, 100)
    verdict: Verdict = "agreed"
    if not (first.final and second.final):
        verdict = "moving"
    elif abs(bps) > tolerance.close_bps or (percent is not None and abs(percent) > allowed):
        verdict = "disagree"
    return Comparison(verdict, bps, percent, allowed)


def trust_rank(source: str, bar_sources: Sequence[str]) -> tuple[int, str]:
    """Sorts sources, the most trusted first: in the order of ``bar_sources``, then all others, alphabetically."""
    return bar_sources.index(source) if source in bar_sources else len(bar_sources), source


def vendor(source: str) -> str:
    """The vendor behind a source of bars: its own bars, and those built here from its ticks and minutes, are one's."""
    return source.split("_", 1)[0]


def _difference(first: Decimal, second: Decimal, parts: int) -> Decimal:
    larger = max(first, second)
    return ((second - first) / larger * parts if larger else Decimal(0)).quantize(_PLACES)
