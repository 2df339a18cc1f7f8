"""records that look wrong and are good, and good ones of which something critical is built.

Belongs here: what a landing must accept. Does not belong here: what it must refuse (``malformed``, ``misstated``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
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
    "on lines": (False, lambda value: value.replace(b',"', b',\n "').replace(b'":', b'" : ')),
    "framed, with an unknown field": (True, lambda value: FRAME + adding(value, b'"x":1')),
}
"""Bytes beside those of a good record; whether they say more than the table has columns for."""


def filled(body: Body) -> Record:
    """As large as a record may be, to the byte."""
    return Record("as large as may be", padded(as_json(body), MOST_BYTES), body, kept=True)


Changes = dict[str, dict[str, Any]]
LATE = "stated before all others"
TO_WITHDRAW = "withdrawn between rounds"
TO_MEND = "mended in the next round"
ENDLESS, NOTHING = "one of splits beyond all numbers", "one of splits to nothing"
_SYMBOLS: Changes = {
    "symbol of SQL": {"symbol": "';DROP TABLE T;--"},
    "symbol of a path": {"symbol": "../%2F/{0}"},
    "symbol of a picture": {"symbol": "\U0001f4a5\u202e\u0416"},
    "symbol of a space": {"symbol": " "},
    "symbol null in words": {"symbol": "NULL"},
    "symbol of control characters": {"symbol": '\0\n\t"\\,'},
    "symbol of the most characters": {"symbol": "\U0001f4a5" * 24},
    TO_WITHDRAW: {},
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
        "after splits beyond all numbers": {"symbol": "INF"},
        "after splits to nothing": {"symbol": "NIL"},
        "of the next trusted source": {"symbol": "NEXT", "source": "alpha_vantage"},
        **_SYMBOLS,
    },
    "actions": {
        "a split": {"symbol": "SPL", "kind": "split", "value": 4.0, "ex_date": "2013-11-29"},
        "an absurd split": {"symbol": "ABS", "kind": "split", "value": 999_999_999.0, "ex_date": "2013-11-29"},
        "a split to nothing": {"symbol": "TOP", "kind": "split", "value": 1e-9, "ex_date": "2013-11-29"},
        "a dividend above the price": {"symbol": "DIV", "value": 1e8, "ex_date": "2013-11-27"},
        ENDLESS: {"symbol": "INF", "kind": "split"},
        NOTHING: {"symbol": "NIL", "kind": "split"},
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
_WHERE: Changes = {
    "of ZZZ": {"symbol": "ZZZ", "source": "yahoo", "trading_day": list(SESSIONS)[1]},
    "of a minute": {"symbol": "MINZ", "source": "yahoo", "interval": "1m"},
    "of the most trusted source": {"symbol": "NEXT", "source": "yahoo"},
    "after or before good ones": {},
}


def peculiar(stage: str) -> dict[str, Callable[[Market], Record]]:
    """All ways for a topic."""

    def changed(kind: str, given: dict[str, Any], critical: bool = False) -> Callable[[Market], Record]:
        def make(market: Market) -> Record:
            body = market.body(stage, **given)
            if body.get("interval") == "1m":
                minute = market.chance.randrange(60)
                body["start_time"] = microseconds(body["trading_day"], "15:00") + minute * 60_000_000
            if kind == LATE:
                body["known_at"] = market.number
            if kind in (ENDLESS, NOTHING):
                body["ex_date"] = str(
                    date(2013, 9, 2) + timedelta(7 * market.chance.randrange(12) + market.chance.randrange(1, 5))
                )
                body["value"] = market.chance.uniform(1, 9) * (1e8 if kind == ENDLESS else 1e-9)
            if kind == TO_WITHDRAW:
                body["symbol"] = f"OUT{market.number}"
            return Record(kind, as_json(body), body, critical=critical)

        return make

    def dressed(kind: str, kept: bool, dress: Callable[[bytes], bytes]) -> Callable[[Market], Record]:
        def make(market: Market) -> Record:
            body = market.body(stage)
            return Record(kind, dress(as_json(body)), body, kept=kept)

        return make

    found = {kind: dressed(kind, kept, dress) for kind, (kept, dress) in DRESSED.items()}
    found |= {kind: changed(kind, given) for kind, given in _GOOD[stage].items()}
    found["a field twice"] = lambda market: _repeated_key(stage, market)
    if stage != "bars":
        return found
    found["of a minute"] = changed("of a minute", {"interval": "1m", "symbol": "MIN", "source": "yahoo"})
    found[TO_MEND] = _owing
    for how, prices in _BROKEN.items():
        for where, given in _WHERE.items():
            kind = f"{how}, {where}"
            found[kind] = changed(kind, given | prices, critical=True)
    return found


def _repeated_key(stage: str, market: Market) -> Record:
    """A field twice: the last one counts, as JSON's readers have it."""
    body = market.body(stage)
    return Record("a field twice", f'{{"{NUMBER[stage]}":3.25,'.encode() + as_json(body)[1:], body)


def _owing(market: Market) -> Record:
    """All that its vendor says of a symbol before the next round."""
    bar = {"symbol": f"M{market.number}", "source": "yahoo", "trading_day": market.chance.choice(list(SESSIONS))}
    market.owed.append(bar)
    body = market.body("bars", **bar, **market.chance.choice(list(_BROKEN.values())))
    return Record(TO_MEND, as_json(body), body, critical=True)
