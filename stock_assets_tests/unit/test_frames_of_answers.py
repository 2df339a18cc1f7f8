"""Prices, shares and texts as pandas gets them."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.reading.frames import _copied, _floats

EXACT = 2**53
millionths = st.lists(st.none() | st.integers(-EXACT, EXACT))


@pytest.mark.parametrize("digits", [18, 25])
@given(parts=st.lists(millionths, max_size=3), left_out=st.integers(0, 2))
def test_each_decimal_becomes_the_nearest_float(digits: int, parts: list[list[int | None]], left_out: int) -> None:
    kind = pa.decimal128(digits, 6)
    stored = [
        pa.array([None if each is None else Decimal(each).scaleb(-6) for each in part], kind)[left_out:]
        for part in parts
    ]
    wanted = [None if each is None else float(Decimal(each).scaleb(-6)) for part in parts for each in part[left_out:]]
    assert _floats(pa.chunked_array(stored, kind)).to_pylist() == wanted


@pytest.mark.parametrize("chunks", [[], [[]], [["IBM", None, "é"]], [["IBM"], ["JPM", None]]])
def test_texts_are_no_part_of_the_answer_that_they_came_in(chunks: list[list[str | None]]) -> None:
    texts = pa.chunked_array(chunks, pa.string())
    copied = _copied(texts)
    assert copied.type == texts.type and copied.to_pylist() == texts.to_pylist()

    def held(of: pa.ChunkedArray) -> set[int]:
        return {
            buffer.address for chunk in of.chunks for buffer in chunk.buffers() if buffer is not None and buffer.size
        }

    assert held(copied).isdisjoint(held(texts))
