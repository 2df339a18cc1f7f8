"""sale conditions of a source -> what a trade may update.

Belongs here: per source, the meaning of each condition code. A trade may update a figure only when all its conditions
let it; a code that is not listed lets everything pass.
Does not belong here: the building of bars (``spark/``), which joins these rows to the ticks.

Sources: the consolidated tape's published rules for sale conditions (CTA and UTP plans), AlgoSeek's flags of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """What a trade that carries ``code`` may update in its session's regular bar.

    ``opening_print`` and ``closing_print`` mark the primary market's auctions; ``extended`` a trade outside the regular
    session whatever the clock says (minute bars only).
    """

    source: str
    code: str
    updates_open: bool = True
    updates_high_low: bool = True
    updates_last: bool = True
    updates_volume: bool = True
    opening_print: bool = False
    closing_print: bool = False
    extended: bool = False


SUSPICIOUS = "suspicious"
"""Code added by a source when the vendor itself doubts the trade: kept, counted in volume, excluded from prices."""


def _only_volume(source: str, *codes: str) -> list[Condition]:
    return [Condition(source, code, updates_open=False, updates_high_low=False, updates_last=False) for code in codes]


def _nothing(source: str, *codes: str) -> list[Condition]:
    return [Condition(source, code, False, False, False, False) for code in codes]


def _extended(source: str, *codes: str) -> list[Condition]:
    return [Condition(source, code, extended=True) for code in codes]


def _markets(*sources: str) -> list[Condition]:
    """Yahoo's word for the market a snapshot is of.

    The auction of the close shows in the first snapshots of the regular market after the bell; before it, all that are
    of the regular market are alike, so that each may be called its closing print.
    """
    return [
        condition
        for source in sources
        for condition in (
            Condition(source, "regular", closing_print=True),
            *_extended(source, "pre", "post", "extended", "overnight"),
        )
    ]


def _auctions(source: str, opening: str, closing: str) -> list[Condition]:
    return [
        Condition(source, opening, opening_print=True),
        Condition(source, closing, updates_open=False, closing_print=True),
    ]


CONDITIONS: tuple[Condition, ...] = (
    # AlgoSeek: one code per set bit of the flag word, hexadecimal, lower case.
    *_auctions("algoseek", opening="40", closing="80"),
    *_nothing("algoseek", "1000000", "4000000"),  # a market centre's official close and open repeat a trade
    *_extended("algoseek", "400", "2000", "4000"),
    *_only_volume(
        "algoseek",
        "2",  # cash
        "4",  # next day
        "8",  # seller's option
        "200",  # derivatively priced
        "800",  # sold last: reported late
        "40000",  # stock-option trade
        "100000",  # average price
        "2000000",  # prior reference price
        SUSPICIOUS,
    ),
    # The simulator speaks the tape's own letters.
    *_auctions("simulator", opening="O", closing="6"),
    *_nothing("simulator", "M", "Q"),
    *_extended("simulator", "T", "U"),
    *_only_volume("simulator", "C", "N", "4", "L", "W", "P", "Z", SUSPICIOUS),
    *_markets("yahoo_stream", "yahoo_quotes"),
)

SNAPSHOT_SOURCES: frozenset[str] = frozenset({"yahoo", "yahoo_stream", "yahoo_quotes"})
"""Sources whose ticks are snapshots: volume comes from the positive differences of ``day_volume``, ``size`` is ignored."""

PARTIAL_SOURCES: frozenset[str] = frozenset({"yahoo_gap"})
"""Sources whose minute bars fill the holes of a stream: pieces of sessions, of which no daily bar is made."""
