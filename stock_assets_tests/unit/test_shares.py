"""Numbers of shares as tables hold them: what was written, one by one and in bulk."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.messages import Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.domain.shares import as_shares, share_column, show_shares
from stock_assets.landing.decode import MAX_RECORD_BYTES, Decoder
from stock_assets.landing.uniform import UniformDecoder
from stock_assets.topic.topics import TICKS

OPEN = instant(session(date(2026, 3, 2)).open_time)
written = st.decimals(0, 999_999_999, places=6)
"""As many digits as a double keeps."""


@given(st.lists(written, min_size=1, max_size=20))
def test_a_number_of_shares_is_stored_as_it_was_written(numbers: list[Decimal]) -> None:
    assert [as_shares(float(number)) for number in numbers] == numbers
    assert share_column(np.array(numbers, dtype=float)).to_pylist() == numbers


@given(st.lists(st.none() | st.floats(0, 1e12, exclude_max=True), min_size=1, max_size=20))
def test_many_are_stored_as_each_would_be(numbers: list[float | None]) -> None:
    known = np.array([number is not None for number in numbers])
    found = share_column(np.array([number or 0.0 for number in numbers]), known)
    assert found.type == pa.decimal128(25, 6)
    assert found.to_pylist() == [None if number is None else as_shares(number) for number in numbers]


@given(st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=20))
def test_whole_numbers_keep_all_their_digits(numbers: list[int]) -> None:
    assert share_column(np.array(numbers)).to_pylist() == numbers == [as_shares(number) for number in numbers]


@pytest.mark.parametrize("alike", [True, False])
def test_records_carry_fractions_into_the_table(alike: bool) -> None:
    """Alike, they are decoded in bulk; a null among them, as any other shape, is not."""
    sizes: list[float | None] = [0.35, 100, 2.5, 123_456_789.123456, 7 if alike else None]
    records = [
        encode(Tick(symbol="A", event_time=OPEN + n, price=1.0, currency="USD", source="s", event_id=str(n), size=size))
        for n, size in enumerate(sizes)
    ]
    records[1] = records[1].replace(b'"size":100', b'"size":100.0')
    assert (UniformDecoder(Tick, MAX_RECORD_BYTES).columns(records) is not None) == alike
    column = Decoder(TICKS).decode(records).columns["size"]
    assert column.type == pa.decimal128(25, 6)
    assert column.to_pylist() == [None if size is None else Decimal(str(size)) for size in sizes]


@pytest.mark.parametrize(
    ("shares", "shown"),
    [(Decimal("1000.000000"), "1,000"), (Decimal("0.350000"), "0.35"), (Decimal(0), "0"), (None, "unknown")],
)
def test_shares_are_shown_without_empty_decimals(shares: Decimal | None, shown: str) -> None:
    assert show_shares(shares) == shown
