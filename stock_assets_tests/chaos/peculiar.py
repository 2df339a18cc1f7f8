"""records that look wrong and are good, and good ones of which something critical is built.

Belongs here: what a landing must accept. Does not belong here: what it must refuse (``malformed``, ``misstated``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stock_assets_tests.chaos.malformed import FRAME, MOST_BYTES, adding, padded
from stock_assets_tests.chaos.market import NUMBER, SESSIONS, Body, Market, Record, as_json, microseconds

DRESSED: dict[str, tuple[bool, Callable[[bytes], bytes]]] = {
    "in a frame": (False, lambda value: FRAME + value),
    "in white space": (False, lambda value: b" \r\n" + value + b"\n\t "),
    "with an unknown field": (True, lambda value: adding(value, b'"x":{"y":[1,null,"\xf0\x9f\x92\xa5"]}')),
    "with a boundary in a text": (True, lambda value: adding(value, rb'"x":"}\n{"')),
    "with an unknown field twice": (True, lambda value: adding(value, b'"x":1,"x":[]')),
    "as deep as may be": (True, lambda value: adding(value, b'"x":' + b"[" * 63 + b"]" * 63)),
    "with brackets in a text": (True, lambda value: adding(value, b'"x":"' + b"[{" * 600 + b'"')),
    "with an escaped key": (False, lambda value: value.replace(b'"symbol"', b'"s\\u0079mbol"', 1)),
    "with its version": (False, lambda value: adding(value, b'"schema_version":1')),
    "on lines": (False, lambda value: value.replace(b", ", b",\n")),
    "framed, with an unknown field": (True, lambda value: FRAME + adding(value, b'"x":1')),
}
"""Bytes beside those of a good record; whether they say more than the table has columns for."""


def filled(body: Body) -> Record:
    """As large as a record may be, to the byte."""
    return Record("as large as may be", padded(as_json(body), MOST_BYTES), body, kept=True)


def repeated_key(stage: str, market: Market) -> Record:
    """A field twice: the last one counts, as JSON's readers have it."""
    body = market.body(stage)
    name = NUMBER[stage]
    first = f'{{"{name}": 3.25, '.encode()
    return Record("a field twice", first + as_json(body)[1:], body)


Changes = dict[str, dict[str, Any]]
LATE = "stated before others"
_SYMBOLS: Changes = {
    "symbol of SQL": {"symbol": "';DROP TABLE T;--"},
    "symbol of a path": {"symbol": "../%2F/{0}"},
    "symbol of a picture": {"symbol": "\U0001f4a5\u202e\u0416"},
    "symbol of a space": {"symbol": " "},
    "symbol null in words": {"symbol": "NULL"},
}
_GOOD: dict[str, Changes] = {
    "ticks": {
        "0.35 shares": {"size": 0.35},
        "100.0 shares": {"size": 100.0},
        "no shares": {"size": 0},
        "minus no shares": {"size": "@-0"},
        "the fewest shares": {"size": 1e-6},
        "shares unknown": {"size": None},
        "shares with an exponent": {"size": "@1.25E+2"},
        "the most shares at the highest price": {"symbol": "MOST", "size": 999_999_999_999, "price": 99_999_999_999.0},
        "the most shares in fractions": {"symbol": "MUCH", "size": 999_999_999_998.75, "price": 0.25},
        "the lowest price": {"symbol": "LOW", "price": 1e-6},
        "price with an exponent": {"price": "@1.005e2"},
        "price a whole number": {"price": 100},
        "late": {"event_time": microseconds("2013-11-26", "15:00")},
        "before the open": {"event_time": microseconds("2013-11-27", "13:00"), "price": 777.0},
        "after the close": {"event_time": microseconds("2013-11-29", "18:00") + 1, "price": 777.0},
        "the largest sequence": {"sequence": 2**53 - 1},
        **_SYMBOLS,
    },
    "bars": {
        "0.35 shares": {"volume": 0.35},
        "volume unknown": {"volume": None},
        "volume minus zero": {"volume": "@-0.0"},
        "the most shares": {"symbol": "BULK", "volume": 999_999_999_999},
        "absurd evidence": {"adj_close": 1e308},
        "not final": {"final": False},
        LATE: {},
        "adjusted for an absurd split": {"symbol": "ABS", "price_basis": "split_adjusted"} | dict.fromkeys(
            ("open", "high", "low", "close"), 1e6
        ),
        "adjusted for a split": {"symbol": "SPL", "price_basis": "split_adjusted"},
        "before a dividend above the price": {"symbol": "DIV"},
        "the highest price": {"symbol": "TOP"} | dict.fromkeys(("open", "high", "low", "close"), 99_999_999_999.0),
        "next to nothing": {"symbol": "TOP", "source": "yahoo"} | dict.fromkeys(("open", "high", "low", "close"), 1e-6),
        "rounded within a basis point": {"symbol": "RND", "high": 100.0, "low": 99.0, "open": 99.5, "close": 100.0},
        **_SYMBOLS,
    },
    "actions": {
        "a split": {"symbol": "SPL", "kind": "split", "value": 4.0, "ex_date": "2013-11-29"},
        "an absurd split": {"symbol": "ABS", "kind": "split", "value": 999_999_999.0, "ex_date": "2013-11-29"},
        "a split to nothing": {"symbol": "TOP", "kind": "split", "value": 1e-9, "ex_date": "2013-11-29"},
        "a dividend above the price": {"symbol": "DIV", "value": 1e8, "ex_date": "2013-11-27"},
        "of a symbol without bars": {"symbol": "NONE"},
        "without a currency": {"currency": None},
        **_SYMBOLS,
    },
}  # fmt: skip
_BROKEN: Changes = {
    "high half a basis point below close": {"open": 99.5, "high": 99.995, "low": 99.0, "close": 100.0},
    "high half a basis point below open": {"open": 100.0, "high": 99.995, "low": 99.0, "close": 99.5},
    "low half a basis point above close": {"open": 101.0, "high": 102.0, "low": 100.005, "close": 100.0},
}
"""A landing takes such bars, since vendors round each figure on its own; what is built from them is withheld."""


def peculiar(stage: str) -> dict[str, Callable[[Market], Record]]:
    """All ways for a topic."""

    def changed(kind: str, given: dict[str, Any], critical: bool = False) -> Callable[[Market], Record]:
        def make(market: Market) -> Record:
            body = market.body(stage, **given)
            if body.get("interval") == "1m":
                body["start_time"] = (
                    microseconds(body["trading_day"], "15:00") + market.chance.randrange(60) * 60_000_000
                )
            if kind == LATE:
                body["known_at"] -= 2 * 24 * 3600 * 10**6 + 1  # and never at the same instant as another
            return Record(kind, as_json(body), body, critical=critical)

        return make

    def dressed(kind: str, kept: bool, dress: Callable[[bytes], bytes]) -> Callable[[Market], Record]:
        def make(market: Market) -> Record:
            body = market.body(stage)
            return Record(kind, dress(as_json(body)), body, kept=kept)

        return make

    found = {kind: dressed(kind, kept, dress) for kind, (kept, dress) in DRESSED.items()}
    found |= {kind: changed(kind, given) for kind, given in _GOOD[stage].items()}
    found["a field twice"] = lambda market: repeated_key(stage, market)
    if stage != "bars":
        return found
    found["of a minute"] = changed("of a minute", {"interval": "1m", "symbol": "MIN", "source": "yahoo"})
    for kind, prices in _BROKEN.items():
        for where, given in {
            "of ZZZ": {"symbol": "ZZZ", "source": "yahoo", "trading_day": list(SESSIONS)[1]},
            "of ZZZ, a minute": {"symbol": "MINZ", "source": "yahoo", "interval": "1m"},
            "after or before good ones": {},
        }.items():
            found[f"{kind} {where}"] = changed(f"{kind} {where}", given | prices, critical=True)
    return found
