"""Message kinds, their JSON Schemas, and what each refuses."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.domain import messages
from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Action, Bar, Tick, decode, encode, json_schema
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS, RAW_TICKS

SCHEMAS = Path(messages.__file__).parent / "schemas"
TICK: dict[str, Any] = {
    "symbol": "IBM",
    "event_time": 1381152600000000,
    "price": 182.0,
    "currency": "USD",
    "source": "algoseek",
    "event_id": "1",
}
BAR: dict[str, Any] = {
    "symbol": "IBM",
    "interval": "1d",
    "trading_day": "2013-10-07",
    "start_time": 1381152600000000,
    "open": 182.0,
    "high": 183.3,
    "low": 181.85,
    "close": 182.01,
    "volume": 3908081,
    "currency": "USD",
    "price_basis": "as_traded",
    "final": True,
    "source": "algoseek",
    "known_at": 1381152600000000,
}


@pytest.mark.parametrize("kind", [Tick, Bar, Action])
def test_schema_file_is_the_struct_s(kind: type[messages.Message]) -> None:
    assert json.loads((SCHEMAS / f"{kind.__name__.lower()}.json").read_text()) == json_schema(kind)


@pytest.mark.parametrize(("kind", "table"), [(Tick, RAW_TICKS), (Bar, RAW_BARS), (Action, RAW_ACTIONS)])
def test_topic_and_raw_table_carry_the_same_fields(kind: type[messages.Message], table: Table) -> None:
    fields = {field.name for field in msgspec.structs.fields(kind)} - {"schema_version"}
    landing = table.names.index("topic_id")
    assert set(table.names[:landing]) - {"year", "trading_day", "phase"} == fields - {"trading_day"}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("price", 0, "price"),
        ("price", -1.5, "price"),
        ("price", "182", "price"),
        ("symbol", "", "symbol"),
        ("symbol", 7, "symbol"),
        ("event_time", 1.5, "event_time"),
        ("event_time", "2013-10-07", "event_time"),
        ("size", -1, "size"),
        ("conditions", "T", "conditions"),
        ("schema_version", 2, "schema_version"),
    ],
)
def test_bad_tick_is_refused_with_its_field(field: str, value: Any, reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        decode(Tick, json.dumps(TICK | {field: value}).encode())


@pytest.mark.parametrize("missing", ["symbol", "event_time", "price", "currency", "source", "event_id"])
def test_tick_without_a_required_field_is_refused(missing: str) -> None:
    with pytest.raises(BadRecord, match=missing):
        decode(Tick, json.dumps({name: value for name, value in TICK.items() if name != missing}).encode())


def test_producer_checks_before_it_publishes() -> None:
    with pytest.raises(BadRecord, match="price"):
        encode(Tick(**(TICK | {"price": -1.0})))


def test_bar_whose_range_does_not_enclose_its_prices_is_refused() -> None:
    with pytest.raises(BadRecord, match="do not enclose"):
        decode(Bar, json.dumps(BAR | {"high": 181.9}).encode())


@pytest.mark.parametrize("source", ["simulator_ticks", "yahoo_minutes", "_ticks"])
def test_a_vendor_s_bar_that_would_pass_for_one_built_here_is_refused(source: str) -> None:
    with pytest.raises(BadRecord, match="out of range: .*source"):
        decode(Bar, json.dumps(BAR | {"source": source}).encode())
    assert decode(Bar, json.dumps(BAR | {"source": f"{source}_of_a_vendor"}).encode())
    assert decode(Tick, json.dumps(TICK | {"source": source}).encode())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_price_is_refused_before_publishing(value: float) -> None:
    with pytest.raises(BadRecord, match="price"):
        encode(Tick(**(TICK | {"price": value})))


@pytest.mark.parametrize("price", [1e-9, 4.9e-7, 9.99e-7, 1e11, 1e300])
def test_a_price_that_a_bar_cannot_hold_is_refused(price: float) -> None:
    for field in ("price", "bid", "ask"):
        with pytest.raises(BadRecord, match=f"out of range: .*{field}"):
            decode(Tick, json.dumps(TICK | {field: price}).encode())
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    with pytest.raises(BadRecord, match="out of range"):
        decode(Bar, json.dumps(BAR | prices).encode())


@pytest.mark.parametrize("price", [1e-6, 99_999_999_999.0])
def test_what_is_accepted_is_not_zero_and_not_cut_in_a_bar(price: float) -> None:
    assert decode(Tick, json.dumps(TICK | {"price": price}).encode())
    stored = Decimal(price).quantize(Decimal("0.000001"))
    assert stored > 0 and len(stored.as_tuple().digits) <= 18


@pytest.mark.parametrize("shares", [10**12, 2**53 - 1, 2**63])
def test_more_shares_than_there_can_be_are_refused(shares: int) -> None:
    for field in ("size", "day_volume"):
        with pytest.raises(BadRecord, match=f"out of range: .*{field}"):
            decode(Tick, json.dumps(TICK | {field: shares}).encode())
    with pytest.raises(BadRecord, match="out of range: .*volume"):
        decode(Bar, json.dumps(BAR | {"volume": shares}).encode())


ACTION: dict[str, Any] = {
    "symbol": "IBM",
    "ex_date": "2013-10-07",
    "kind": "dividend",
    "value": 0.95,
    "source": "yahoo",
    "known_at": 1381152600000000,
}
KINDS: dict[type[messages.Message], dict[str, Any]] = {Tick: TICK, Bar: BAR, Action: ACTION}
OPTIONAL = {Tick: ("size", "bid", "ask", "day_volume", "exchange", "sequence", "conditions"), Bar: ("adj_close",)}
edges = st.sampled_from([0, 1, 1e-6, 9.9e-7, 1e-9, 1e11, 10**11 - 1, 1e9, 10**12 - 1, 10**12, 2**53 - 1, 2**53, 1e300])
plain = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=30) | edges
texts = st.sampled_from(
    [
        "1d",
        "as_traded",
        "split",
        "dividend",
        "USD",
        "",
        "x" * 24,
        "x" * 25,
        "2013-02-29",
        "20131007",
        "x_ticks",
        "_minutes",
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[type[messages.Message], dict[str, Any]]:
    """Documents of a kind with some of their fields changed, left out, or new."""
    kind = draw(st.sampled_from(list(KINDS)))
    names = [*KINDS[kind], *OPTIONAL.get(kind, ("currency",)), "schema_version", "other"]
    values = plain | texts | st.dates().map(str) | st.lists(plain | texts, max_size=3)
    document = KINDS[kind] | draw(st.dictionaries(st.sampled_from(names), values, max_size=4))
    return kind, {
        name: document[name] for name in document if name not in draw(st.sets(st.sampled_from(names), max_size=1))
    }


@settings(max_examples=150)
@given(documents())
def test_struct_and_json_schema_accept_the_same(given_document: tuple[type[messages.Message], dict[str, Any]]) -> None:
    kind, document = given_document
    stated = jsonschema.Draft202012Validator(json_schema(kind), format_checker=jsonschema.FormatChecker(["date"]))
    schema_accepts = stated.is_valid(document)
    try:
        decode(kind, json.dumps(document).encode())
    except BadRecord as refused:
        assert not schema_accepts or has_whole_float(kind, document) or "do not enclose" in str(refused)
    else:
        assert schema_accepts


def has_whole_float(kind: type[messages.Message], document: dict[str, Any]) -> bool:
    """JSON Schema calls 5.0 an integer; the struct is stricter, so that a value has one spelling."""
    stated = json_schema(kind)["$defs"][kind.__name__]["properties"]
    whole = {name for name, one in stated.items() if '"integer"' in json.dumps(one) or name == "schema_version"}
    return any(name in whole and isinstance(value, float) and value.is_integer() for name, value in document.items())


@pytest.mark.parametrize("shares", [0, 0.0, 0.35, 100.0, 1e-6, 10**12 - 1, 999_999_999.999999])
def test_shares_may_be_whole_or_not(shares: float) -> None:
    for field in ("size", "day_volume"):
        assert getattr(decode(Tick, json.dumps(TICK | {field: shares}).encode()), field) == shares
    bar = decode(Bar, json.dumps(BAR | {"volume": shares}).encode())
    assert isinstance(bar, Bar) and bar.volume == shares


@pytest.mark.parametrize("shares", [-0.5, 4e-7, 9.99e-7, 1e12, 1e300])
def test_shares_that_a_table_would_hold_as_none_or_not_at_all_are_refused(shares: float) -> None:
    for field in ("size", "day_volume"):
        with pytest.raises(BadRecord, match=f"out of range: .*{field}"):
            decode(Tick, json.dumps(TICK | {field: shares}).encode())
    with pytest.raises(BadRecord, match="out of range: .*volume"):
        decode(Bar, json.dumps(BAR | {"volume": shares}).encode())
