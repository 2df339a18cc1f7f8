"""Alpha Vantage's answers -> data, or a named failure.

Belongs here: telling data from the messages that come in its place with HTTP 200, and what each message asks for.
Does not belong here: asking (``alpha_vantage_client``), and bars (``alpha_vantage``).

The words are the vendor's. Nearly every message speaks of premium plans, and the one about bursts also names the limit per
day; so the order of the rules matters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from stock_assets.domain.errors import (
    InvalidKey,
    PremiumOnly,
    ServiceUnavailable,
    StockAssetsError,
    UnknownSymbol,
    VendorThrottled,
)

MESSAGES = ("Error Message", "Information", "Note", "message")

BURST_PAUSE = timedelta(seconds=2)
MINUTE_PAUSE = timedelta(seconds=60)

Meaning = Literal["key", "day", "burst", "minute", "premium", "call", "unclear"]

_RULES: tuple[tuple[Meaning, str], ...] = (
    ("key", r"apikey is invalid|api ?key is invalid|demo\W* api key"),
    ("day", r"detected your api key"),
    ("burst", r"requests? per second|burst pattern"),
    ("minute", r"(calls|requests) per minute"),
    ("day", r"(calls|requests) per day"),
    ("premium", r"premium (endpoint|feature)|requires an entitlement"),
    ("call", r"invalid api call|function \(.*\) does not exist"),
)


def meaning(message: str) -> Meaning:
    """What a message is about."""
    return next((about for about, words in _RULES if re.search(words, message, re.IGNORECASE)), "unclear")


@dataclass(frozen=True)
class Unreadable:
    """An answer that is neither data nor a message.

    Attributes:
        of_vendor: whether the vendor's own program answered, which then has nothing of the one symbol.
    """

    because: str
    of_vendor: bool = False


def data_of(text: str, wanted: str) -> dict[str, Any] | str | Unreadable:
    """``data`` and ``meta`` of the part of an answer whose name begins with ``wanted``, else the message in its place."""
    try:
        answer = json.loads(text)
    except ValueError:
        return Unreadable(f"it is no JSON but {text[:60]!r}")
    if not isinstance(answer, dict):
        return Unreadable(f"it is {type(answer).__name__}, not an object")
    # with an entitlement, the name goes on: "Global Quote - DATA DELAYED BY 15 MINUTES"
    part = next((name for name in answer if name.startswith(wanted)), None)
    meta = answer.get("Meta Data", {})
    if part is not None and isinstance(answer[part], dict) and isinstance(meta, dict):
        return {"data": answer[part], "meta": meta}
    message = next((answer[name] for name in MESSAGES if name in answer), None)
    if not isinstance(message, str) or not message:
        return Unreadable(f"it has neither {wanted!r} nor a message, but {sorted(answer)[:5]}", of_vendor=True)
    return message


def failure_of(
    message: str, symbol: str, now: datetime, spend: Callable[[], datetime], requests_per_second: float
) -> StockAssetsError:
    """The failure that a message stands for; ``message`` must be without secrets already.

    ``spend`` is told when the day's requests are gone, and answers when there are some again.
    """
    about = meaning(message)
    if about == "key":
        return InvalidKey(
            f"Alpha Vantage does not take the API key: set ALPHA_VANTAGE_API_KEY to a valid one ({message})"
        )
    if about == "premium":
        return PremiumOnly(
            f"Alpha Vantage serves {symbol} so to paying customers only: take a plan, or set "
            f"ALPHA_VANTAGE_HISTORY=compact and ALPHA_VANTAGE_MINUTES=false ({message})"
        )
    if about == "burst":
        text = f"Alpha Vantage refuses {symbol}: more than {requests_per_second:g} requests a second; lower "
        return VendorThrottled(f"{text}ALPHA_VANTAGE_REQUESTS_PER_SECOND if this stays ({message})", now + BURST_PAUSE)
    if about == "minute":
        return VendorThrottled(f"Alpha Vantage refuses {symbol}: too many requests a minute", now + MINUTE_PAUSE)
    if about == "day":
        until = spend()
        return VendorThrottled(f"Alpha Vantage says that today's requests are spent ({message})", until)
    if about == "call":
        return UnknownSymbol(f"Alpha Vantage does not know {symbol}, or not this call ({message})")
    return ServiceUnavailable(f"Alpha Vantage did not answer for {symbol}: {message[:300]}")
