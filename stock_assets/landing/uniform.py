"""records of one shape -> columns, without an object for each record.

Belongs here: runs of records that spell the same fields in the same order, as one producer's do, each value a plain text
or an unsigned number.
Does not belong here: any other record; ``columns`` answers None for the whole run, and ``decode`` looks at it one by one.

Nothing is assumed: the first record of a run tells what stands between the values, and every record is compared with
that, byte by byte. What is between is equal, no text holds a quote, a backslash, a control character or more than ASCII, and
every character of a number was looked at: then each record is JSON of these fields, and the schema's bounds are checked on
the columns. A decimal of at most 15 digits divided by a power of ten below 10**23 is the nearest number to it, as a
parser's would be.

Of the ways that were measured (``benchmarks/README.md``) this takes a fifth of the processor time of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stock_assets.domain.messages import SHARE_FIELDS, CountsShares, Message
from stock_assets.domain.session_index import Int64s
from stock_assets.landing.uniform_numbers import WORD, Document, Spans, decimals, distance, integers, shares
from stock_assets.topic.payloads import EDGE_BYTES, Payloads, windows

_SPACE, _BACKSLASH, _LAST_ASCII = b" \\\x7f"

"""Where a value begins in each record, and where it has ended."""
Column = Callable[[Document, Spans], "pa.Array | None"]
"""The values of a field; None when one of them is not plain, or out of its bounds."""


class UniformDecoder:
    """Decodes runs of one message kind; a kind with other fields than texts and numbers has no uniform runs."""

    def __init__(self, message: type[Message], longest_bytes: int) -> None:
        kind = msgspec.inspect.type_info(message)
        assert isinstance(kind, msgspec.inspect.StructType)
        self._longest_bytes = longest_bytes
        known = {field.encode_name: _column(field.type, field.encode_name in SHARE_FIELDS) for field in kind.fields}
        self._columns = {name: column for name, column in known.items() if column is not None}
        required = {field.encode_name for field in kind.fields if field.required}
        # a rule between fields is written in Python, the one of shares is kept here too
        rules = getattr(message, "__post_init__", CountsShares.__post_init__)
        self._any = required <= self._columns.keys() and rules is CountsShares.__post_init__
        self._whole: msgspec.json.Decoder[Message] = msgspec.json.Decoder(message)
        self._shape: msgspec.json.Decoder[dict[str, str | int | float]] = msgspec.json.Decoder(
            dict[str, str | int | float]
        )

    def columns(self, run: Sequence[bytes | None]) -> dict[str, pa.Array] | None:
        """One array per field that the records have, or None unless all are good and alike."""
        if not self._any or not run:
            return None
        try:
            first = self._whole.decode(run[0])  # type: ignore[arg-type]
            # a few tell which values are probably the same in all, so that they are compared and not read
            shape, *others = (self._shape.decode(run[len(run) * part // 11]) for part in (0, 1, 3, 7, 10))  # type: ignore[arg-type]
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return None
        if not shape.keys() <= self._columns.keys() or any(other.keys() != shape.keys() for other in others):
            return None
        document = self._document(Payloads.of(run))
        if document is None:
            return None
        steady = {name: getattr(first, name) for name in shape if all(other[name] == shape[name] for other in others)}
        reading = partial(self._read, document, shape)
        return reading(steady) or (reading({}) if steady else None)

    def _read(
        self, document: Document, shape: dict[str, str | int | float], steady: dict[str, str | int | float]
    ) -> dict[str, pa.Array] | None:
        """The columns, if all between the values is as in the first record, which includes those that are steady."""
        found = {}
        at, text = document.starts, b"{"
        for number, (name, value) in enumerate(shape.items(), start=1):
            following = b"," if number < len(shape) else b"}"
            text += b'"%b":' % name.encode()
            if name in steady:
                text += msgspec.json.encode(value) + following
                found[name] = pa.repeat(steady[name], len(at))
                continue
            if isinstance(value, str):
                text, following = text + b'"', b'"' + following
            if (begin := _after(document, at, text)) is None:
                return None
            for end in _ends_of(document, begin, following[0], value):
                if (column := self._columns[name](document, (begin, end))) is not None:
                    break
            else:
                return None
            found[name] = column
            at, text = end, following
        closed = _after(document, at, text)
        return None if closed is None or (closed != document.ends).any() else found

    def _document(self, run: Payloads) -> Document | None:
        sizes = run.ends - run.starts
        if sizes.min() < 0 or sizes.max() > self._longest_bytes:
            return None  # a tombstone, or too long
        first, following = int(run.starts[0]) - EDGE_BYTES, int(run.ends[-1]) + EDGE_BYTES
        data = run.data[first:following]
        inside = data[EDGE_BYTES:-EDGE_BYTES]
        if inside.max() > _LAST_ASCII or (inside == _BACKSLASH).any():
            return None
        if np.count_nonzero(inside < _SPACE) != len(inside) - sizes.sum():
            return None
        return Document(data, run.starts - first, run.ends - first)


def _after(document: Document, at: Int64s, text: bytes) -> Int64s | None:
    """Where this text ends that begins at a position in every record; None if one has another there."""
    end = at + len(text)
    if (end > document.ends).any():
        return None
    found: bytes = windows(document.data, len(text))[at].tobytes()
    return end if found == text * len(at) else None


def _ends_of(document: Document, begin: Int64s, byte: int, like: str | float) -> Iterator[Int64s]:
    """Where values may end that begin at these positions, and before this character; ``like`` is one of them."""
    if isinstance(like, int) and len(str(like)) > WORD:
        # Long numbers, as instants, are of one length mostly. A shorter one that has this character by chance at the same
        # place later is no number up to there: the caller refuses that end and takes the next.
        end = begin + len(str(like))
        if (end <= document.ends).all() and (document.data[end] == byte).all():
            yield end
    if (found := _until(document, begin, byte)) is not None:
        yield found


def _until(document: Document, at: Int64s, byte: int) -> Int64s | None:
    """The next position of a character in every record; None if one has no more of it."""
    while (at <= document.ends).all():
        further = distance(document, at, byte)
        at = at + further
        if (further < WORD).all():
            return at
    return None


def _column(kind: msgspec.inspect.Type, of_shares: bool) -> Column | None:
    """How the values of a field are read; None for kinds that uniform runs do not have."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _column(kind.type, of_shares)
    if isinstance(kind, msgspec.inspect.UnionType):
        kinds = [one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)]
        return _column(kinds[0], of_shares) if len(kinds) == 1 else None
    if isinstance(kind, msgspec.inspect.StrType) and kind.pattern is None:
        return _Texts(kind.min_length or 0, kind.max_length)
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType) and kind.multiple_of is None:
        read = shares if of_shares else integers if isinstance(kind, msgspec.inspect.IntType) else decimals
        return _Numbers(read, kind.ge, kind.gt, kind.le, kind.lt)
    if isinstance(kind, msgspec.inspect.LiteralType) and len(kind.values) == 1 and isinstance(kind.values[0], int):
        return _Numbers(integers, ge=kind.values[0], le=kind.values[0])
    return None


@dataclass(frozen=True)
class _Texts:
    """Texts within bounds of their length."""

    shortest: int
    longest: int | None

    def __call__(self, document: Document, spans: Spans) -> pa.Array | None:
        begin, end = spans
        lengths = end - begin
        if lengths.min() < self.shortest or (self.longest is not None and lengths.max() > self.longest):
            return None
        offsets = np.zeros(len(begin) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        if (lengths == lengths[0]).all():
            values = windows(document.data, lengths[0])[begin]
        else:
            values = document.data[np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])]
        return pa.StringArray.from_buffers(len(begin), pa.py_buffer(offsets), pa.py_buffer(values))


@dataclass(frozen=True)
class _Numbers:
    """Numbers within bounds."""

    read: Callable[[Document, Spans], npt.NDArray[np.int64 | np.float64] | None]
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __call__(self, document: Document, spans: Spans) -> pa.Array | None:
        values = self.read(document, spans)
        if values is None:
            return None
        least, greatest = values.min(), values.max()
        inside = (
            (self.ge is None or least >= self.ge)
            and (self.gt is None or least > self.gt)
            and (self.le is None or greatest <= self.le)
            and (self.lt is None or greatest < self.lt)
        )
        return pa.array(values) if inside else None
