"""digits -> numbers, a column of them at a time.

Belongs here: reading the numbers of many records out of their bytes, eight characters at once, without an object for each.
Does not belong here: which records look alike, and which numbers a message allows (``uniform``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stock_assets.domain.session_index import Int64s
from stock_assets.domain.shares import LEAST
from stock_assets.topic.payloads import EDGE_BYTES, Bytes, windows

_DOT, _ZERO = b".0"
WORD = 8
"""Characters of a number that are read at once."""
assert EDGE_BYTES >= 2 * WORD, "two words before any character of a value must be there to be read"
_DIGITS_OF_A_DOUBLE = 15


def each_byte(value: int) -> int:
    return int.from_bytes(bytes([value]) * WORD, "little")


_KEPT = np.array([(2**64 - 1) >> 8 * n << 8 * n for n in range(WORD, -1, -1)], dtype=np.uint64)
_ZEROS, _SIX, _HIGH, _ONES, _HIGHEST = (np.uint64(each_byte(value)) for value in (_ZERO, 6, 0xF0, 1, 0x80))
_TEN_TO = 10 ** np.arange(2 * WORD, dtype=np.int64)


@dataclass(frozen=True)
class Document:
    """Values with newlines between them.

    Attributes:
        data: the values between two edges, in which anything may stand.
        starts, ends: of each record in ``data``; ``ends`` is excluded.
    """

    data: Bytes
    starts: Int64s
    ends: Int64s


Spans = tuple[Int64s, Int64s]


def distance(document: Document, at: Int64s, byte: int) -> Int64s:
    """How far a character is from each position, if it is in the word there, else its length."""
    word = windows(document.data, WORD)[at].view("<u8")
    word ^= np.uint64(each_byte(byte))
    # of bytes below 0x80, which all are, the lowest that is 0 has its highest bit set then; those above it may be wrong
    zeros = word - _ONES
    zeros &= _HIGHEST
    below = zeros - np.uint64(1)
    below &= ~zeros
    found: Int64s = np.bitwise_count(below).astype(np.int64) >> 3
    return found


def integers(document: Document, spans: Spans) -> Int64s | None:
    """Unsigned integers of 1 to 16 digits without leading zeros."""
    begin, end = spans
    lengths = end - begin
    longest = lengths.max()
    if lengths.min() < 1 or longest > 2 * WORD or ((lengths > 1) & (document.data[begin] == _ZERO)).any():
        return None
    values = _last_digits(document, end, np.minimum(lengths, WORD))
    if values is not None and longest > WORD:
        leading = _last_digits(document, end - WORD, np.maximum(lengths - WORD, 0))
        return None if leading is None else leading * _TEN_TO[WORD] + values
    return values


def decimals(document: Document, spans: Spans) -> npt.NDArray[np.float64] | None:
    """Unsigned numbers of at most 15 digits, of which at most 8 come after a point."""
    begin, end = spans
    before = distance(document, begin, _DOT)
    dot = begin + before
    if (far := (before == WORD) & (end > dot)).any():
        dot[far] += distance(document, dot[far], _DOT)
    pointed = dot < end
    dot = np.where(pointed, dot, end)
    places = np.where(pointed, end - dot - 1, 0)
    if (pointed & (places == 0)).any() or places.max() > WORD or (dot - begin + places).max() > _DIGITS_OF_A_DOUBLE:
        return None
    whole, parts = integers(document, (begin, dot)), _last_digits(document, end, places)
    if whole is None or parts is None:
        return None
    scale = _TEN_TO[places]
    found: npt.NDArray[np.float64] = (whole * scale + parts) / scale
    return found


def shares(document: Document, spans: Spans) -> npt.NDArray[np.int64 | np.float64] | None:
    """Numbers of shares, whole ones mostly; none between 0 and the least that is stored."""
    if (whole := integers(document, spans)) is not None:
        return whole
    found = decimals(document, spans)
    return None if found is None or ((found > 0) & (found < LEAST)).any() else found


def _last_digits(document: Document, end: Int64s, count: Int64s) -> Int64s | None:
    """The numbers that the last ``count`` (0 to 8) characters before ``end`` spell; None if one is no digit.

    A word of eight characters at a time, the first in its lowest byte: neighbours are joined to numbers of two digits, these
    to numbers of four, and these to one of eight.
    """
    word = windows(document.data, WORD)[end - WORD].view("<u8")
    word = (word ^ _ZEROS) & _KEPT[count]
    if ((word | (word + _SIX)) & _HIGH).any():
        return None
    word = (word * np.uint64(10 * 2**8 + 1)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 * 2**16 + 1)) >> np.uint64(16)
    word = ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 * 2**32 + 1)) >> np.uint64(32)
    return word.view(np.int64)
