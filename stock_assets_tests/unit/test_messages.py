"""Message kinds, their JSON Schemas, and what each refuses."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain import messages
from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Action, Bar, Tick, decode, encode, json_schema
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS, RAW_TICKS, Table

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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_price_is_refused_before_publishing(value: float) -> None:
    with pytest.raises(BadRecord, match="price"):
        encode(Tick(**(TICK | {"price": value})))


plain = st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=30)


@given(st.dictionaries(st.sampled_from([*TICK, "size", "bid", "sequence", "conditions"]), plain | st.lists(plain)))
def test_struct_and_json_schema_accept_the_same(changes: dict[str, Any]) -> None:
    document = TICK | changes
    schema_accepts = jsonschema.Draft202012Validator(json_schema(Tick)).is_valid(document)
    try:
        decode(Tick, json.dumps(document).encode())
    except BadRecord:
        assert not schema_accepts or has_whole_float(document)
    else:
        assert schema_accepts


def has_whole_float(document: dict[str, Any]) -> bool:
    """JSON Schema calls 5.0 an integer; the struct is stricter, so that a value has one spelling."""
    return any(isinstance(value, float) and value.is_integer() for value in document.values())
