"""Runs of records that look alike: what they are decoded to is what a JSON parser makes of each, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_assets.domain.messages import Action, Bar, Tick, encode
from stock_assets.landing.decode import MAX_RECORD_BYTES
from stock_assets.landing.uniform import UniformDecoder
from stock_assets.topic.payloads import Payloads

TICK = b'{"symbol":"IBM","event_time":1381152600000000,"price":%b,"currency":"USD","source":"s","event_id":"%b"}'
decoder = UniformDecoder(Tick, MAX_RECORD_BYTES)
plain = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"], exclude_characters='"\\'), max_size=30
)
prices = st.decimals(min_value="0.0001", max_value=99_999_999, places=4).map(float)


def parsed(values: Sequence[bytes | None]) -> dict[str, list[object]]:
    """The columns that a parser finds, record by record."""
    ticks = [msgspec.json.decode(value, type=Tick) for value in values if value is not None]
    names = [name for name in msgspec.json.decode(values[0] or b"") if name != "schema_version"]
    return {name: [getattr(tick, name) for tick in ticks] for name in names}


def among(good: bytes, *others: bytes | None) -> list[bytes | None]:
    """A run in which the others stand where no sample is taken: only what reads every record notices them."""
    run: list[bytes | None] = [good] * 40
    run[15 : 15 + len(others)] = others
    return run


def lists(columns: dict[str, pa.Array]) -> dict[str, list[object]]:
    return {name: column.to_pylist() for name, column in columns.items() if name != "schema_version"}


@st.composite
def runs(draw: st.DrawFn) -> list[bytes]:
    """Encoded ticks, the same optional fields in each."""
    given_fields = draw(st.sets(st.sampled_from(["size", "bid", "exchange", "sequence", "day_volume"])))
    exchanges = draw(st.sampled_from(["N", ""]))
    optional = {"size": 5, "bid": 1.5, "exchange": exchanges, "sequence": 2**53 - 1, "day_volume": 10**12 - 1}
    return [
        encode(
            Tick(
                symbol=draw(plain.filter(lambda text: 0 < len(text) <= 24)),
                event_time=draw(st.integers(0, 2**53 - 1)),
                price=draw(prices),
                currency="USD",
                source=draw(st.sampled_from(["simulator", "a.b"])),
                event_id=draw(plain.filter(bool)),
                **{name: optional[name] for name in given_fields},  # type: ignore[arg-type]
            )
        )
        for _ in range(draw(st.integers(1, 9)))
    ]


def ticks_at(*instants_and_ids: tuple[int, bytes]) -> list[bytes]:
    """Ticks that have their event's id right behind its instant."""
    tick = b'{"event_time":%d,"event_id":"%b","symbol":"A","price":1,"currency":"USD","source":"s"}'
    return [tick % each for each in instants_and_ids]


@given(runs())
@example(ticks_at((10**15, b"a"), (5, b",,,,,"), (10**15, b"b")))
def test_records_of_one_shape_become_the_values_a_parser_finds(values: list[bytes]) -> None:
    for run in (values, among(*values)):
        found = decoder.columns(run)
        assert found is not None
        assert lists(found) == parsed(run)


def test_a_last_record_that_ends_early_is_not_read_beyond_its_end() -> None:
    good = TICK % (b"10.5", b"the-last-of-all")
    for length in range(len(good)):
        assert decoder.columns([*[good] * 39, good[:length]]) is None


@given(runs(), st.integers(0, 8))
def test_a_part_of_a_buffer_is_read_as_if_it_were_alone(values: list[bytes], first: int) -> None:
    part = values[first:] or values
    found = decoder.columns(Payloads.of(values)[-len(part) :])
    assert found is not None
    assert lists(found) == parsed(part)


@given(runs(), st.data())
def test_a_changed_byte_gives_what_a_parser_finds_or_nothing(values: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(values) - 1))
    where = data.draw(st.integers(0, len(values[at])))
    taken = data.draw(st.integers(0, 3))
    put = data.draw(
        st.sampled_from([b"", b" ", b"0", b"7", b".", b"-", b"e", b'"', b"{", b"}", b",", b"\n", b"\\", b"\xc3\xa9"])
    )
    whole = values[0]
    values[at] = values[at][:where] + put + values[at][where + taken :]
    for run in (values, among(whole, *values)):
        found = decoder.columns(run)
        if found is not None:
            assert lists(found) == parsed(run)


@given(st.from_regex(r"[0-9.eE+\-x_ ]{1,18}", fullmatch=True))
@example("00.5")
@example(".5")
@example("5.")
@example("0")
@example("1.2.3")
@example("961425548.08470054")
@example("100000000000")
@example("99999999999.0001")
def test_a_number_is_read_as_json_reads_it_or_not_at_all(text: str) -> None:
    run = among(TICK % (b"10.25", b"2"), TICK % (text.encode(), b"1"), TICK % (b"7", b"3"))
    found = decoder.columns(run)
    if found is not None:
        assert lists(found) == parsed(run)


@given(st.integers(0, 10**7 - 1), st.integers(0, 10**8 - 1), st.integers(1, 8))
def test_plain_decimals_are_read_to_the_last_bit(whole: int, parts: int, places: int) -> None:
    text = f"{whole}.{parts % 10**places:0{places}}".encode()
    found = decoder.columns(among(TICK % (b"1", b"1"), TICK % (text, b"1")))
    if float(text) < 1e-6:
        assert found is None
    else:
        assert found is not None
        assert found["price"].to_pylist()[15] == float(text)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        b"",
        b"\n",
        b"{}",
        b"[" * 5000,
        TICK % (b"1.5", b""),
        TICK % (b"1.5", b"x" * 201),
        TICK % (b"1.5", b"\t"),
        TICK % (b"1.5", b"\\n"),
        TICK % (b"1.5", b"\xff"),
        TICK % (b"0", b"1"),
        TICK % (b"null", b"1"),
        TICK % (b"1.5", b"1") + b" ",
        (TICK % (b"1.5", b"1"))[:-1] + b',"event_id":"2"}',
        (TICK % (b"1.5", b"1"))[:-1] + b',"newer":"2"}',
        (TICK % (b"1.5", b"1"))[:-1] + b',"schema_version":2}',
        (TICK % (b"1.5", b"1")).replace(b'"symbol":"IBM",', b""),
        (TICK % (b"1.5", b"1")).replace(b"IBM", b"I" * MAX_RECORD_BYTES),
    ],
)
def test_an_odd_record_leaves_its_run_to_others(odd: bytes | None) -> None:
    good = TICK % (b"1.5", b"1")
    assert decoder.columns([good, good]) is not None
    assert decoder.columns([good, odd]) is None
    assert decoder.columns([odd, good]) is None
    assert decoder.columns([odd]) is None
    assert decoder.columns(among(good, odd)) is None
    assert decoder.columns(among(good, odd, good.replace(b'"1"', b'"2"'))) is None


def test_fields_left_out_and_the_schema_version_are_no_obstacle() -> None:
    found = decoder.columns([(TICK % (b"1.5", b"1"))[:-1] + b',"size":7,"schema_version":1}'] * 3)
    assert found is not None
    assert found["size"].to_pylist() == [7, 7, 7]
    assert "bid" not in found


def test_kinds_with_dates_or_rules_have_no_uniform_runs() -> None:
    action = b'{"symbol":"A","ex_date":"2025-06-24","kind":"split","value":2.0,"source":"s","known_at":5}'
    assert UniformDecoder(Action, MAX_RECORD_BYTES).columns([action]) is None
    assert UniformDecoder(Bar, MAX_RECORD_BYTES).columns([action]) is None
