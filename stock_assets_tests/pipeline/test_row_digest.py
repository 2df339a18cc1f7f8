"""The row digest: equal exactly for the same rows, in any order and in any pieces."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.raw.row_digest import row_digest
from stock_assets_tests.pipeline.raw_lake import (
    DAY,
    NEXT_DAY,
)

values = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=3),
        "items": st.none() | st.lists(st.none() | st.sampled_from(["", "a", "b", "ab"]), max_size=3),
        "number": st.none() | st.integers(-3, 3),
        "price": st.none() | st.sampled_from([0.0, -0.0, 1.5, 2.0]),
        "flag": st.none() | st.booleans(),
        "payload": st.none() | st.binary(max_size=2),
        "day": st.none() | st.sampled_from([DAY, NEXT_DAY]),
    }
)
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "items": pa.list_(pa.string()),
        "number": pa.int64(),
        "price": pa.float64(),
        "flag": pa.bool_(),
        "payload": pa.binary(),
        "day": pa.date32(),
    }
)


@settings(deadline=None)
@given(st.lists(values, max_size=6), st.lists(values, max_size=6), st.randoms())
def test_the_digest_is_equal_exactly_for_the_same_rows(
    one: list[dict[str, Any]], other: list[dict[str, Any]], random: Any
) -> None:
    def digest(rows: list[dict[str, Any]]) -> object:
        return row_digest(pa.Table.from_pylist(rows, schema=SCHEMA))

    shuffled = random.sample(one, len(one))
    assert digest(shuffled) == digest(one)
    table = pa.Table.from_pylist(one, schema=SCHEMA)
    parts = pa.concat_tables([table.slice(2), table.slice(0, 2)])
    assert row_digest(parts) == digest(one)

    def in_order(rows: list[dict[str, Any]]) -> list[str]:
        return sorted(repr([row[name] for name in SCHEMA.names]) for row in rows)

    assert (digest(one) == digest(other)) == (in_order(one) == in_order(other))
    if one:
        assert digest(one) != digest([*one, one[0]]) != digest([*one, one[0], one[0]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": ["a", "b"], "next": ["x", "y"]}, {"text": ["a", "b"], "next": ["y", "x"]}),
        ({"text": ["a"], "next": ["b"]}, {"text": ["b"], "next": ["a"]}),
        ({"text": [None], "next": ["a"]}, {"text": ["a"], "next": [None]}),
        ({"items": [["a", "b"]]}, {"items": [["b", "a"]]}),
        ({"items": [["ab"]]}, {"items": [["a", "b"]]}),
        ({"items": [["a"], ["b"]]}, {"items": [["a", "b"], []]}),
        ({"items": [[], ["a"]]}, {"items": [None, ["a"]]}),
        ({"items": [[None, "a"]]}, {"items": [["a"]]}),
        ({"text": [""]}, {"text": [None]}),
        ({"price": [0.0]}, {"price": [-0.0]}),
        ({"number": [0]}, {"number": [None]}),
    ],
)
def test_the_digest_tells_apart_what_is_nearly_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    def digest(columns: dict[str, Any]) -> object:
        types = {**{field.name: field.type for field in SCHEMA}, "next": pa.string()}
        return row_digest(pa.table({name: pa.array(values, types[name]) for name, values in columns.items()}))

    assert digest(one) != digest(other)
    assert digest(one) == digest(one)
