"""Records in the frame of a schema registry, alone and among others: the same rows, and the bytes of the bad ones whole."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.landing.decode import _RUN_RECORDS, MAX_RECORD_BYTES, Decoder
from stock_assets.landing.rows import rows_of
from stock_assets.topic.consume import Chunk
from stock_assets.topic.schema_registry import unframed
from stock_assets.topic.subject import cell_of
from stock_assets.topic.topics import TICKS
from stock_assets_tests.unit.test_decode import DEEP, GOOD, SATURDAY

NEWER = GOOD.replace(b'"symbol"', b'"venue_fee":0.3,"symbol"')
FRAMES = [b"", b"\0\0\0\0\x07", b"\0\xff\xfe{\n", b'\0}\n{"']
"""None, and some whose ids look like something else."""
records = st.sampled_from(
    [GOOD, GOOD, NEWER, b" " + GOOD, SATURDAY, b"{bad", b"", b"[1]", GOOD + b"\n" + GOOD, b"\xff"]
)


def landed(values: list[bytes | None]) -> pa.Table:
    chunk = Chunk(0, np.arange(len(values)), values, np.full(len(values), 1381152600000))
    return rows_of(TICKS, chunk, Decoder(TICKS), "topic", "landing").sort_by("kafka_offset")


@given(st.lists(st.tuples(records, st.sampled_from(FRAMES)), min_size=1, max_size=24))
def test_any_mixture_gives_the_rows_of_unframed_records_and_keeps_the_bytes(sent: list[tuple[bytes, bytes]]) -> None:
    bare, framed = landed([record for record, _ in sent]), landed([frame + record for record, frame in sent])
    assert framed.drop_columns(["payload"]) == bare.drop_columns(["payload"])
    kept = zip(sent, bare["payload"].to_pylist(), framed["payload"].to_pylist(), strict=True)
    assert all(whole == (None if payload is None else frame + record) for (record, frame), payload, whole in kept)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\0", "bad json: a schema registry's frame of 1 bytes, 5 at least"),
        (b"\0\0\0\x07", "bad json: a schema registry's frame of 4 bytes, 5 at least"),
        (b"\0\0\0\0\x07", "bad json: "),
        (b"\0\0\0\0\x07" + GOOD[:40], "bad json: "),
        (b"\0\0\0\0\x07" + b"\0\0\0\0\x07" + GOOD, "bad json: a schema registry's frame with another inside"),
        (b"\x01\0\0\0\x07" + GOOD, "bad json: begins with byte 1, which is neither JSON nor"),
        (b"\x01\xff\xfe", "bad json: begins with byte 1, which is neither JSON nor"),
        (b"\0\0\0\0\x07" + GOOD.replace(b"IBM", b"IB\xff"), "wrong encoding: "),
        (b"\0\0\0\0\x07" + GOOD + b" " * MAX_RECORD_BYTES, "oversize: "),
    ],
)
@pytest.mark.parametrize("neighbour", [GOOD, b"\0\0\0\0\x07" + GOOD])
def test_a_frame_that_is_none_is_kept_with_its_reason_and_touches_no_neighbour(
    value: bytes, reason: str, neighbour: bytes
) -> None:
    rows = landed([neighbour] * 9 + [value] + [neighbour] * 7)
    reasons = rows["rejected_because"].to_pylist()
    assert reasons[9].startswith(reason)
    assert reasons.count(None) == 16
    assert [payload for payload in rows["payload"].to_pylist() if payload is not None] == [value]


def test_framed_records_are_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    together = Decoder._decode_together

    def counted(self: Decoder, run: Any, lines: msgspec.json.Decoder[Any]) -> Any:
        tried.append(len(run))
        return together(self, run, lines)

    monkeypatch.setattr(Decoder, "_decode_together", counted)
    framed = b"\0\0\0\0\x07" + GOOD
    alike = GOOD.replace(b'"size":100', b'"conditions":["@"]')  # no uniform run
    mixed = [framed if number % 3 else alike for number in range(_RUN_RECORDS)]
    uniform = [[GOOD] * _RUN_RECORDS, [framed] * _RUN_RECORDS, [framed, *[GOOD] * (_RUN_RECORDS - 1)]]
    for values, runs in (*((values, 0) for values in uniform), ([alike] * _RUN_RECORDS, 1), (mixed, 2)):
        tried.clear()
        assert landed(list(values))["rejected_because"].null_count == _RUN_RECORDS
        assert tried == [_RUN_RECORDS] * runs


def test_a_frame_is_taken_off_once() -> None:
    assert unframed(b"\0\0\0\0\x07" + GOOD) == unframed(GOOD) == GOOD
    assert (unframed(b"\0\0\0\0"), unframed(b"")) == (b"\0\0\0\0", b"")


def test_what_a_rejected_record_is_about_is_told_through_its_frame() -> None:
    good_day = GOOD.replace(b"182.0", b"-1")
    assert cell_of(TICKS, b"\0\0\0\0\x07" + good_day) == cell_of(TICKS, good_day) is not None


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"[]", b'"', b'{"symbol":{},"event_time":{}}', b'{"symbol":"A","event_time":1e300}', b"\xff", DEEP],
)
def test_a_record_that_says_nothing_is_about_nothing(payload: bytes | None) -> None:
    assert cell_of(TICKS, payload) is None
