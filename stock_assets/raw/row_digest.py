"""rows -> a digest of them that no order changes.

Belongs here: saying whether two sets of rows, repeats counted, are the same without holding both. Does not belong here:
what is done about a difference (``compaction``).

Each value is hashed to 64 bits by ``pandas.util.hash_array``, each row to 64 bits from its columns, and the rows are
summed modulo 2**64 beside their number: a sum, unlike an exclusive or, tells one row from three of the same. A lost,
added or changed row goes unseen with a chance of 2**-64, as two random 64-bit sums are equal; in a year of one
compaction a second about 2e-12. It guards against faults of software and storage, not against somebody who searches
for two rows with the same hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Uint64s = npt.NDArray[np.uint64]

# Odd, so that multiplying by them loses nothing; a null is no value of any column.
_NEXT_COLUMN, _NEXT_ITEM, _NULL = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x27D4EB2F165667C5))


@dataclass(frozen=True)
class RowDigest:
    """Number of rows, and the sum of their hashes modulo 2**64."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: RowDigest) -> RowDigest:
        return RowDigest(self.rows + other.rows, (self.total + other.total) % 2**64)


def row_digest(rows: pa.Table) -> RowDigest:
    """The digest of a table: equal for the same rows in any order and chunking."""
    digest = RowDigest()
    for batch in rows.to_batches(max_chunksize=100_000):
        hashes = np.zeros(batch.num_rows, np.uint64)
        for column in batch.columns:
            hashes = hashes * _NEXT_COLUMN + _hashes(column)
        digest += RowDigest(batch.num_rows, int(_hash_array(hashes).sum(dtype=np.uint64)))
    return digest


def _hashes(column: pa.Array) -> Uint64s:
    import pyarrow as pa

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        hashes = _list_hashes(column)
    elif pa.types.is_null(column.type):
        hashes = np.zeros(len(column), np.uint64)
    else:
        # Few distinct values in most columns: each is hashed once.
        encoded = column.dictionary_encode()
        of_value = _value_hashes(encoded.dictionary)
        positions = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        hashes = of_value[positions] if len(of_value) else np.zeros(len(column), np.uint64)
    if column.null_count:
        hashes = np.where(column.is_null().to_numpy(zero_copy_only=False), _NULL, hashes)
    return hashes


def _value_hashes(values: pa.Array) -> Uint64s:
    import pyarrow as pa

    if pa.types.is_primitive(values.type) and not pa.types.is_boolean(values.type):
        # By their bits: 0.0 and -0.0 are two values.
        width = np.dtype(f"u{values.type.bit_width // 8}")
        return _hash_array(values.view(pa.from_numpy_dtype(width)).to_numpy(zero_copy_only=False).astype(np.uint64))
    if pa.types.is_boolean(values.type):
        return _hash_array(values.to_numpy(zero_copy_only=False).astype(np.uint64))
    return _hash_array(np.array([*values.to_pylist(), None], dtype=object)[:-1])


def _list_hashes(column: pa.Array) -> Uint64s:
    """Of each list its items with their places, and its length."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    places = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
    items = _hash_array(_hashes(column.flatten()) * _NEXT_ITEM + places.astype(np.uint64))
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(items, dtype=np.uint64)))
    return _hash_array(sums[ends[1:]] - sums[ends[:-1]] + lengths.astype(np.uint64) * _NEXT_COLUMN)


def _hash_array(values: npt.NDArray[Any]) -> Uint64s:
    from pandas.util import hash_array

    return hash_array(values, categorize=False)
