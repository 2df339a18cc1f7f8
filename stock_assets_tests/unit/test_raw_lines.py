"""Lines of a file as records: nothing of them is changed."""

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import BadRecord
from stock_assets.sources import raw_lines as module
from stock_assets.sources.raw_lines import raw_lines


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b""))))
def test_each_line_is_a_record(lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    assert list(raw_lines(io.BytesIO(text))) == lines
    if lines and lines[-1]:
        assert list(raw_lines(io.BytesIO(text[:-1]))) == lines  # the last line may lack its newline


@given(st.lists(st.binary()))
def test_any_bytes_can_be_sent_in_base64(records: list[bytes]) -> None:
    text = b"".join(base64.b64encode(record) + b"\r\n" for record in records)
    assert list(raw_lines(io.BytesIO(text), as_base64=True)) == records


def test_a_line_that_is_no_record_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRecord, match="line 2: no base64"):
        list(raw_lines(io.BytesIO(b"aGk=\n{}\n"), as_base64=True))
    monkeypatch.setattr(module, "LONGEST_LINE", 4)
    assert list(raw_lines(io.BytesIO(b"1234\n"))) == [b"1234"]
    with pytest.raises(BadRecord, match="line 2: longer than 4 bytes"):
        list(raw_lines(io.BytesIO(b"1234\n12345\n")))
