"""One verdict on a row, whoever gives it: Spark that marks, Great Expectations that proves, and plain Python."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import great_expectations as gx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from spark.verdicts import withheld_because
from stock_assets.domain.rules import broken_rules, critical_rules, digest
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_BARS, RAW_TICKS
from stock_assets.quality import validate
from stock_assets.quality.suites import expectation
from stock_assets_tests.pipeline.raw_rows import Row

# around the bounds, around each other, and where doubles of neighbours are the same
_NUMBERS = [
    "0",
    "0.000001",
    "-0.000001",
    "1",
    "1.000001",
    "0.999999",
    "60",
    "99.999999",
    "100",
    "100.000001",
    "0.1",
    "0.3",
    "4294967295.999999",
]
_LARGE = ["4294967296", "4294967296.000001", "999999999999.999998", "999999999999.999999", "-999999999999.999999"]
_SIX_PLACES = (
    st.none()
    | st.sampled_from([Decimal(text).quantize(Decimal("0.000001")) for text in _NUMBERS])
    | st.integers(-(10**9), 10**9).map(lambda units: Decimal(units).scaleb(-6))
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "decimal(18,6)": _SIX_PLACES,
    "decimal(25,6)": _SIX_PLACES,
    "float64": st.none() | st.sampled_from([math.nan, 0.0, -0.0, 5e-324, 1.0, math.nextafter(1, 2), -1.0, math.inf]),
    "int64": st.none() | st.sampled_from([0, -1, 1, 2**53, -(2**53)]),
    "string": st.none() | st.sampled_from(["regular", "pre", "1d", "as_traded", "", "Regular"]),
}


def rows_of_table(table: Table) -> st.SearchStrategy[list[Row]]:
    types = {column.name: column.type for column in table.columns}
    names = sorted({name for rule in critical_rules(table) for name in rule.columns})
    large = st.sampled_from([Decimal(text).quantize(Decimal("0.000001")) for text in _LARGE])

    def rows(with_large: bool) -> st.SearchStrategy[list[Row]]:
        values = {
            name: _VALUES[types[name]] | large
            if with_large and types[name].startswith("decimal")
            else _VALUES[types[name]]
            for name in names
        }
        return st.lists(st.fixed_dictionaries(values), min_size=20, max_size=60)

    return st.booleans().flatmap(rows)


def marks_of_spark(spark: SparkSession, table: Table, rows: list[Row]) -> list[str]:
    names = list(rows[0])
    schema = pa.schema([table.arrow_schema().field(name).with_nullable(True) for name in names])
    frame = spark.createDataFrame(pa.Table.from_pylist([row | {} for row in rows], schema=schema).append_column(
        "place", pa.array(range(len(rows)))
    ))  # fmt: skip
    marked = frame.select("place", withheld_because(table, names).alias("mark")).collect()
    return [row.mark or "" for row in sorted(marked)]


def refused_by_great_expectations(table: Table, rows: list[Row]) -> set[int]:
    schema = pa.schema([table.arrow_schema().field(name).with_nullable(True) for name in rows[0]])
    frame = validate.plain_frame(pa.Table.from_pylist(rows, schema=schema))
    batch = validate.batches(table).get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="rules", expectations=[expectation(rule) for rule in critical_rules(table)])
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    for result in outcome.results:
        assert not (result.exception_info or {}).get("raised_exception"), result.exception_info
    return {place for result in outcome.results for place in result.result["unexpected_index_list"] or ()}


@pytest.mark.parametrize("table", [MINUTE_BARS, DAILY_BARS, DAILY_METRICS, RAW_TICKS, RAW_BARS], ids=lambda t: t.path)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_who_marks_and_who_proves_agree_on_every_row(spark: SparkSession, table: Table, data: st.DataObject) -> None:
    rows = data.draw(rows_of_table(table))
    marks = marks_of_spark(spark, table, rows)
    in_words = ["; ".join(broken_rules(table, row)) for row in rows]
    if table.withholds:
        assert marks == in_words
    assert [bool(mark) for mark in marks] == [bool(text) for text in in_words]
    assert {place for place, mark in enumerate(marks) if mark} == refused_by_great_expectations(table, rows)


def test_a_digest_tells_the_rules_of_tables_apart() -> None:
    assert len({digest(table) for table in (MINUTE_BARS, DAILY_BARS, DAILY_METRICS)}) == 3
