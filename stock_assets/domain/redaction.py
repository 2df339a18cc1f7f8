"""text that may hold a secret -> the same text without it.

Belongs here: hiding what opens an account, before a text is logged, raised or stored.
Does not belong here: keeping secrets (``settings``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_ECHOED = re.compile(r"(apikey=|api key as )[^\s&\"']+", re.IGNORECASE)
"""Where a vendor, or a client that quotes its address, repeats a key; also one that is not ours."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret hidden, as it is and as an address carries it."""
    for secret in secrets:
        for form in sorted({secret, quote(secret, safe=""), quote_plus(secret)} - {""}, key=len, reverse=True):
            text = re.sub(re.escape(form), HIDDEN, text, flags=re.IGNORECASE)
    return _ECHOED.sub(rf"\1{HIDDEN}", text)
