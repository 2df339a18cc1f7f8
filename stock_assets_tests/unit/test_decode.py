"""Decoding in bulk: one bad record must not touch its neighbours, and none may hide behind another."""

import itertools
import json
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import MAX_NESTING, Tick, decode, encode
from stock_assets.domain.universe import Universe
from stock_assets.landing.decode import MAX_RECORD_BYTES, Decoder
from stock_assets.landing.rows import rows_of
from stock_assets.topic.consume import Chunk
from stock_assets.topic.schema_registry import MAGIC
from stock_assets.topic.topics import TICKS

GOOD = encode(
    Tick(
        symbol="IBM",
        event_time=1381152600000000,
        price=182.0,
        currency="USD",
        source="algoseek",
        event_id="1",
        size=100,
    )
)
DEEP = GOOD[:-1] + b',"x":' + b"[" * 1000
"""Two kilobytes that a parser goes down into, one call deeper at each bracket."""
CLOSED_DEEP = DEEP + b"]" * 1000 + b"}"
SATURDAY = GOOD.replace(b"1381152600000000", b"1380979800000000")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "bad json"),
        (b"{bad", "bad json"),
        (b"[1]", "wrong type"),
        (GOOD.replace(b"182.0", b'"182"'), "wrong type"),
        (GOOD.replace(b"182.0", b"-1"), "out of range"),
        (GOOD.replace(b'"symbol":"IBM",', b""), "missing field"),
        (GOOD.replace(b"IBM", b"IB\xff"), "wrong encoding"),
        (GOOD + b"\n" + GOOD, "bad json"),
        (DEEP, "bad json"),
        (CLOSED_DEEP, "bad json"),
        (b"[" * 2000, "bad json"),
        (b'{"x":' + b"[" * 1000, "bad json"),
        (MAGIC + b"\0\0\0\1" + DEEP, "bad json"),
        (GOOD[:-1] + b',"x":"\xff"}', "wrong encoding"),
        (GOOD + b" " * MAX_RECORD_BYTES, "oversize"),
        (SATURDAY, "closed session"),
        (GOOD.replace(b"1381152600000000", b"9007199254740991"), "absurd time"),
        (GOOD.replace(b"1381152600000000", b"1"), "absurd time"),
        (GOOD.replace(b"IBM", b"NOBODY"), "unknown symbol"),
        (GOOD.replace(b"182.0", b"1e-9"), "out of range"),
        (GOOD.replace(b"182.0", b"0.0000004"), "out of range"),
        (GOOD.replace(b":100", b":9007199254740991"), "out of range"),
    ],
)
def test_a_bad_record_is_kept_with_its_reason_and_bytes_and_its_neighbours_land(
    value: bytes | None, reason: str
) -> None:
    rows = landed([GOOD] * 9 + [value] + [GOOD] * 7, universe=["IBM"])
    bad = rows.filter(pc.is_valid(rows["rejected_because"]))
    assert rows.num_rows == 17
    assert bad["kafka_offset"].to_pylist() == [9]
    assert bad["rejected_because"][0].as_py().split(":")[0] == reason
    assert bad["payload"].to_pylist() == [value]
    assert bad["trading_day"].null_count == 1


NESTED = GOOD[:-1] + b',"x":' + b"[" * (MAX_NESTING - 1) + b"]" * (MAX_NESTING - 1) + b"}"
TOO_NESTED = GOOD[:-1] + b',"x":' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b"}"
fragments = st.sampled_from(
    [
        GOOD,
        SATURDAY,
        b"",
        b"{",
        b"}",
        b"{}",
        GOOD[:30],
        GOOD[30:],
        GOOD + GOOD,
        GOOD + b"\n" + GOOD,
        b'{"x":[{}',
        b"{}]}",
        b"\n",
        GOOD + b" " + GOOD,
        GOOD[:30] + b"}",
        DEEP,
        CLOSED_DEEP,
        NESTED,
        TOO_NESTED,
        GOOD[:-1] + b',"x":"\xff"}',
        GOOD[:-1] + b',"x":"\n"}',
    ]
)


@given(st.lists(fragments | st.none() | st.binary(max_size=12), min_size=1, max_size=24))
def test_bulk_decoding_accepts_exactly_what_decoding_one_by_one_does(values: list[bytes | None]) -> None:
    rows = landed(values)
    accepted = rows.filter(pc.is_null(rows["rejected_because"]))["kafka_offset"].to_pylist()
    assert accepted == [number for number, value in enumerate(values) if acceptable(value)]
    assert sorted(rows["kafka_offset"].to_pylist()) == list(range(len(values)))


def acceptable(value: bytes | None) -> bool:
    """Whether the record alone is good."""
    try:
        if value is None or value == SATURDAY:
            return False
        return decode(Tick, value) is not None and bool(value.decode("utf-8"))
    except (BadRecord, UnicodeDecodeError):
        return False


def numbered(number: int) -> bytes:
    """A good record, spelled with spaces as other producers do; its event_id tells it from all others."""
    return json.dumps(json.loads(GOOD) | {"event_id": str(number), "conditions": []}).encode()


def own_ids(values: list[bytes | None]) -> dict[int, str]:
    """Per offset the event_id that the record itself states, of those that are good alone."""
    return {at: json.loads(value or b"")["event_id"] for at, value in enumerate(values) if acceptable(value)}


def landed_ids(values: list[bytes | None]) -> dict[int, str]:
    rows = landed(values)
    rows = rows.filter(pc.is_null(rows["rejected_because"]))
    return dict(zip(rows["kafka_offset"].to_pylist(), rows["event_id"].to_pylist(), strict=True))


def test_a_record_of_two_objects_does_not_make_up_for_half_a_one() -> None:
    whole = [numbered(n) for n in range(5)]
    cut = whole[0].index(b", ") + 2
    values: list[bytes | None] = [whole[0][:cut], whole[0][cut:], whole[1], whole[2] + b"\n" + whole[3], whole[4]]
    assert landed_ids(values) == {2: "1", 4: "4"}


@given(st.integers(2, 9), st.data())
def test_records_cut_anywhere_are_accepted_as_what_they_are_themselves(count: int, data: st.DataObject) -> None:
    separators = st.sampled_from([b"\n", b"\n", b" \n", b"", b" "])
    text = b"".join(numbered(n) + data.draw(separators) for n in range(count))
    # cuts where a whole record ends or a field does, and anywhere
    places = [at for at in range(len(text)) if text[at - 2 : at] in (b", ", b"}\n")]
    cuts = data.draw(st.lists(st.sampled_from(places) | st.integers(0, len(text)), max_size=2 * count))
    edges = [0, *sorted(set(cuts)), len(text)]
    pieces = [text[first:end] for first, end in itertools.pairwise(edges)]
    values: list[bytes | None] = [piece.strip(b"\n") if data.draw(st.booleans()) else piece for piece in pieces]
    assert landed_ids(values) == own_ids(values)


def test_records_spelled_on_several_lines_are_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[bytes | None] = [json.dumps(json.loads(numbered(n)), indent=1).encode() for n in range(50)]
    calls: list[int] = []
    together = Decoder._decode_together
    monkeypatch.setattr(
        Decoder, "_decode_together", lambda self, run, lines: calls.append(len(run)) or together(self, run, lines)
    )
    assert landed_ids(values) == {n: str(n) for n in range(50)}
    assert calls == [50]


def test_brackets_inside_texts_are_no_nesting() -> None:
    value = GOOD[:-1] + b',"x":"\\"' + b"[{" * MAX_NESTING + b'"}'
    assert landed([value])["rejected_because"].null_count == 1


@pytest.mark.parametrize("step", ["_message_columns", "_decode_together", "_decode_one"])
def test_whatever_a_decoder_raises_about_a_record_rejects_that_record_alone(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that nobody has thought of yet must not stop a topic."""
    work = getattr(Decoder, step)

    def fail_on_the_odd_one(self: Decoder, given: Any, *more: Any) -> Any:
        texts = [given] if isinstance(given, bytes) else given
        if any(b"ODD" in text if isinstance(text, bytes) else text.symbol == "ODD" for text in texts):
            raise SystemError("error return without exception set")
        return work(self, given, *more)

    monkeypatch.setattr(Decoder, step, fail_on_the_odd_one)
    good = GOOD[:-1] + b',"conditions":["1"]}'  # in no uniform run
    odd = good.replace(b"IBM", b"ODD")
    if step == "_decode_one":
        odd += b" "  # white space at the end is looked at alone
    values = [*[good] * 9, odd, *[good] * 5, b"{bad", good]
    rows = landed(values)
    bad = rows.filter(pc.is_valid(rows["rejected_because"])).sort_by("kafka_offset")
    assert bad["kafka_offset"].to_pylist() == [9, 15]
    assert bad["payload"].to_pylist() == [odd, b"{bad"]
    assert "SystemError: error return without exception set" in bad["rejected_because"][0].as_py()
    assert sorted(rows["kafka_offset"].to_pylist()) == list(range(len(values)))
    assert rows["price"].to_pylist().count(182.0) == len(values) - 2


def test_memory_that_runs_out_is_no_fault_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Decoder, "_message_columns", fail)
    with pytest.raises(MemoryError):
        landed([GOOD + b" "])


def test_fields_of_a_newer_version_are_kept_with_the_record_and_its_neighbours_stay_as_they_are() -> None:
    newer = GOOD.replace(b'"symbol"', b'"venue_fee":0.3,"symbol"')
    rows = landed([GOOD] * 9 + [newer] + [GOOD] * 7)
    assert rows["rejected_because"].null_count == rows.num_rows == 17
    assert [value for value in rows["payload"].to_pylist() if value is not None] == [newer]
    assert rows["kafka_offset"].to_pylist()[rows["payload"].to_pylist().index(newer)] == 9
    assert set(rows["price"].to_pylist()) == {182.0}


def test_a_newer_record_among_bad_ones_is_kept_too() -> None:
    newer = b" " + GOOD.replace(b'"symbol"', b'"venue_fee":0.3,"symbol"') + b"\n"
    rows = landed([b"{", GOOD, newer, None]).sort_by("kafka_offset")
    assert [reason is None for reason in rows["rejected_because"].to_pylist()] == [False, True, True, False]
    assert rows["payload"].to_pylist() == [b"{", None, newer, None]


def test_a_version_whose_meaning_is_not_known_is_rejected() -> None:
    other = GOOD.replace(b'"symbol"', b'"schema_version":2,"symbol"')
    (reason,) = landed([other])["rejected_because"].to_pylist()
    assert reason.startswith("out of range") and "schema_version" in reason


def landed(values: list[bytes | None], universe: list[str] | None = None) -> Any:
    chunk = Chunk(0, np.arange(len(values)), values, np.full(len(values), 1381152600000))
    return rows_of(
        TICKS, chunk, Decoder(TICKS, Universe.of_symbols(universe) if universe else None), "topic", "landing"
    )
