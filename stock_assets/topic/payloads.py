"""values of many records -> one buffer, and where each of them stands in it.

Belongs here: a sequence of values without an object for each, for those that decode them together.
Does not belong here: how the values got into the buffer (``record_batches``) and what they say (``lake``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from stock_assets.domain.session_index import Int64s

Bytes = npt.NDArray[np.uint8]
NEWLINE = b"\n"
EDGE_BYTES = 16
"""Stands around the values, so that whoever reads words may begin before the first character and end after the last."""
EDGE = NEWLINE * EDGE_BYTES


class Payloads(Sequence[bytes | None]):
    """Values of records. What stands between two of them in ``data`` are newlines, one or more.

    Attributes:
        data: the values between two edges.
        starts, ends: of each value in ``data``; ``ends`` is excluded, and before ``starts`` for a record without a value.
    """

    __slots__ = ("data", "ends", "starts")

    def __init__(self, data: Bytes, starts: Int64s, ends: Int64s) -> None:
        self.data = data
        self.starts = starts
        self.ends = ends

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Payloads:
        """The values, in one buffer."""
        if isinstance(values, cls):
            return values
        lengths = np.fromiter((-1 if value is None else len(value) for value in values), np.int64, len(values))
        text = NEWLINE.join((EDGE, *(value or b"" for value in values), EDGE))
        starts = np.full(len(values), EDGE_BYTES + 1, dtype=np.int64)
        starts[1:] += np.cumsum(np.maximum(lengths, 0) + 1)[:-1]
        return cls(np.frombuffer(text, dtype=np.uint8), starts, starts + lengths)

    @property
    def sizes(self) -> Int64s:
        """Bytes of each value; 0 for none."""
        sizes: Int64s = np.maximum(self.ends - self.starts, 0)
        return sizes

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...

    @overload
    def __getitem__(self, at: slice) -> Payloads: ...

    def __getitem__(self, at: int | slice) -> bytes | None | Payloads:
        if isinstance(at, slice):
            return Payloads(self.data, self.starts[at], self.ends[at])
        start, end = self.starts[at], self.ends[at]
        return self.data[start:end].tobytes() if end >= start else None

    def __iter__(self) -> Iterator[bytes | None]:
        data = self.data.data
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield bytes(data[start:end]) if end >= start else None


def windows(data: Bytes, length: int) -> npt.NDArray[np.void]:
    """The ``length`` bytes from each position on, not copied."""
    return np.ndarray((len(data) - length + 1,), np.dtype((np.void, length)), data, strides=(1,))
