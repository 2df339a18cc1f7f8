"""a number of shares, as messages have it -> the decimal that tables hold.

Belongs here: the type in which shares are stored, and the one way to it.
Does not belong here: bounds of a message's field (``messages``).

The tape counts shares to six decimals since 2026-02-23. A message's number is a double, of which 15 digits are as they were
written; shares beyond the sixth decimal are rounded to it.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

SHARES: Literal["decimal(25,6)"] = "decimal(25,6)"
"""The type of sizes and volumes: six decimals, and any whole number that has 64 bits."""
LEAST = 1e-6
"""Less would be stored as 0."""
_PLACES = 6
_UNIT = 10**_PLACES


def read_shares(text: str) -> float:
    """As a vendor spells it; a whole one stays whole.

    Raises:
        ValueError: it is no number.
    """
    shares = float(text)
    if not math.isfinite(shares):
        raise ValueError(f"{text!r} is no number of shares")
    return int(text) if text.isdecimal() else shares


def as_shares(number: float) -> Decimal:
    """As it is stored; ``number`` is not negative and below 10**12."""
    whole = int(number)
    return Decimal(whole * _UNIT + round((number - whole) * _UNIT)).scaleb(-_PLACES)


def share_column(numbers: npt.NDArray[np.float64 | np.int64], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """As ``as_shares`` for each of many numbers; null where it is not known."""
    import numpy as np
    import pyarrow as pa

    whole = numbers.astype(np.int64)
    unscaled = whole * _UNIT
    if numbers.dtype != np.int64:
        unscaled += np.rint((numbers - whole) * _UNIT).astype(np.int64)
    words = np.zeros((len(unscaled), 2), dtype="<i8")
    words[:, 0] = unscaled
    valid = None if known is None or known.all() else pa.array(known).buffers()[1]
    return pa.Array.from_buffers(pa.decimal128(25, _PLACES), len(unscaled), [valid, pa.py_buffer(words)])


def show_shares(shares: Decimal | float | None) -> str:
    """With thousands apart, and no more decimals than there are; ``unknown`` for None."""
    if shares is None:
        return "unknown"
    text = f"{shares:,.6f}"
    return text.rstrip("0").rstrip(".")
