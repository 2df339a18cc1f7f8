"""JSON message of a topic <-> Tick, Bar, Action.

Belongs here: the fields of each message kind, their meaning and bounds, and one line of code to check a message.
Does not belong here: batches (the landing's), topics, files.

The structs are the schema: ``schemas/*.json`` are their JSON Schemas, written for other languages and held equal by a
test. Instants are integers, microseconds since 1970-01-01 UTC: nothing to guess about zone or precision. They are left out
of garbage collection (they hold no cycles), which halves the cost of decoding them in bulk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.shares import LEAST
from stock_assets.domain.source_names import BUILT_PATTERN, BUILT_SUFFIXES

SCHEMA_VERSION = 1
MAX_NESTING = 64
"""Objects and arrays inside each other. The parser's own limit depends on how deep its caller is: without this one, a record
would be good here and bad there."""

Instant = Annotated[int, Meta(ge=0, lt=2**53, description="microseconds since 1970-01-01 UTC")]
Symbol = Annotated[str, Meta(min_length=1, max_length=24)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217")]
Price = Annotated[float, Meta(ge=1e-6, lt=1e11)]
"""Bars hold prices in steps of a millionth: less than one step would become 0."""
Count = Annotated[int, Meta(ge=0, lt=2**53)]
_TOO_FEW = {"exclusiveMinimum": 0, "exclusiveMaximum": LEAST}
Shares = Annotated[float, Meta(ge=0, lt=1e12, extra_json_schema={"not": _TOO_FEW})]
"""Whole or not. More than any company has issued is refused: of more, a session's sum of prices x shares would fit no number
that Spark has. So is more than none that would be stored as none."""
SHARE_FIELDS = ("size", "day_volume", "volume")
_OF_A_VENDOR = {"not": {"pattern": BUILT_PATTERN}}


class CountsShares(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message with numbers of shares."""

    def __post_init__(self) -> None:
        # The only bound of one field that a type of msgspec does not state.
        for name in SHARE_FIELDS:
            shares = getattr(self, name, None)
            if shares is not None and 0 < shares < LEAST:
                raise ValueError(f"Expected `float` that is 0 or >= {LEAST} - at `$.{name}`")


class Tick(CountsShares, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One trade or quote, as a vendor reported it."""

    symbol: Symbol
    event_time: Instant
    price: Price
    currency: Currency
    source: Name
    event_id: Annotated[str, Meta(min_length=1, max_length=200, description="the source's own id, else its ordinal")]
    size: Annotated[Shares | None, Meta(description="shares of this trade")] = None
    day_volume: Annotated[Shares | None, Meta(description="cumulative shares of the session, regular hours")] = None
    bid: Price | None = None
    ask: Price | None = None
    exchange: str | None = None
    conditions: Annotated[list[str] | None, Meta(description="sale conditions, as the vendor codes them")] = None
    sequence: Count | None = None
    schema_version: Literal[1] = 1


class Bar(CountsShares, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A vendor's bar, its literals untouched."""

    symbol: Symbol
    interval: Literal["1d", "1m"]
    trading_day: date
    start_time: Annotated[Instant, Meta(description="START of the bar, whatever the vendor's label")]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares | None
    currency: Currency
    price_basis: Literal["as_traded", "split_adjusted"]
    final: Annotated[bool, Meta(description="false while the session could still move it")]
    source: Annotated[Name, Meta(description="the vendor", extra_json_schema=_OF_A_VENDOR)]
    known_at: Annotated[Instant, Meta(description="when the vendor said so")]
    adj_close: Annotated[float | None, Meta(description="evidence only")] = None
    schema_version: Literal[1] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source.endswith(BUILT_SUFFIXES):
            raise ValueError(f"Expected `str` that ends in none of {', '.join(BUILT_SUFFIXES)} - at `$.source`")
        # A tolerance, as vendors round each of the four on its own.
        slack = 1e-4 * self.high
        if self.low > min(self.open, self.close) + slack or self.high < max(self.open, self.close) - slack:
            raise ValueError(f"low {self.low} and high {self.high} do not enclose {self.open} and {self.close}")


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A split or a dividend."""

    symbol: Symbol
    ex_date: date
    kind: Literal["split", "dividend"]
    value: Annotated[float, Meta(ge=1e-9, lt=1e9, description="new shares per old share, or cash per share as traded")]
    source: Name
    known_at: Instant
    currency: Currency | None = None
    schema_version: Literal[1] = 1


Message = Tick | Bar | Action


def instant(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970-01-01 UTC."""
    return round(moment.timestamp() * 1_000_000)


def day_of(message: Message) -> date:
    """The exchange-local day that a message is about; whether it is a session is another question."""
    if isinstance(message, Tick):
        return datetime.fromtimestamp(message.event_time // 1_000_000, EXCHANGE_ZONE).date()
    return message.trading_day if isinstance(message, Bar) else message.ex_date


_ENCODER = msgspec.json.Encoder()


def json_schema(kind: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a message kind."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}


def encode(message: Message) -> bytes:
    """The message as JSON, checked against its schema.

    Raises:
        BadRecord: a field breaks the schema; the text names record, field and reason.
    """
    encoded = _ENCODER.encode(message)
    decode(type(message), encoded)
    return encoded


def encode_all(messages: Sequence[Message]) -> list[bytes]:
    """As ``encode`` for each of many messages of one kind, at half its cost.

    Raises:
        BadRecord: a field of one of them breaks the schema.
    """
    if not messages:
        return []
    encoded = [_ENCODER.encode(message) for message in messages]
    try:
        _lines_decoder(type(messages[0])).decode_lines(b"\n".join(encoded))
    except (msgspec.MsgspecError, ValueError):
        return [encode(message) for message in messages]
    return encoded


@cache
def _lines_decoder(kind: type[Message]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[Message], value: bytes) -> Message:
    """One message.

    Raises:
        BadRecord: the text begins with the class of the reason and names record, field and reason.
    """
    try:
        check_unread(value)
        return msgspec.json.decode(value, type=kind)
    except MemoryError:
        raise
    except Exception as broken:  # whatever a parser raises about a record is that record's fault
        start = value[:80].decode("utf-8", "replace")
        foreseen = isinstance(broken, msgspec.MsgspecError | ValueError | RecursionError)
        reason = str(broken) if foreseen else f"{type(broken).__name__}: {broken}"
        raise BadRecord(f"{_reason_class(broken)}: {kind.__name__.lower()} {start}...: {reason}") from broken


def check_unread(value: bytes) -> None:
    """Check what a parser does not where it passes over a field: that it is text, and not nested too deeply.

    Raises:
        ValueError: it is not.
    """
    value.decode("utf-8")
    if value.count(b"[") + value.count(b"{") <= MAX_NESTING:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub(b"", value)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            raise ValueError(f"JSON is malformed: nested deeper than {MAX_NESTING} levels")


_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_REASON_CLASSES = {
    "malformed": "bad json",
    "recursion depth": "bad json",
    "truncated": "bad json",
    "missing required field": "missing field",
    ", got": "wrong type",
    "Expected `": "out of range",
    "Invalid enum": "out of range",
    "Number out of range": "out of range",
    "codec can't decode": "wrong encoding",
}


def _reason_class(broken: Exception) -> str:
    """The class of a decoder's error; the decoder tells it in words only."""
    text = str(broken)
    return next((named for words, named in _REASON_CLASSES.items() if words in text), "invalid")
