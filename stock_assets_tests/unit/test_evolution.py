"""Which differences of a stored table an upgrade mends, and what it says of others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.errors import TableDiffers
from stock_assets.domain.evolution import evolution
from stock_assets.domain.table import Column
from stock_assets.domain.tables import DAILY_BARS, RAW_TICKS

NOW = {column.name: column.type for column in DAILY_BARS.columns}
OPTIONAL = [column.name for column in DAILY_BARS.columns if column.nullable]


@given(st.sets(st.sampled_from(OPTIONAL)), st.booleans())
def test_nullable_columns_and_fractions_of_shares_are_all_that_is_added(missing: set[str], whole: bool) -> None:
    stored: dict[str, str] = {name: kind for name, kind in NOW.items() if name not in missing}
    if whole and "volume" in stored:
        stored["volume"] = "int64"
    change = evolution(DAILY_BARS, stored, "here")
    assert {column.name for column in change.added} == missing
    assert [column.name for column in change.widened] == (["volume"] if whole and "volume" not in missing else [])
    assert bool(change) == (stored != NOW)


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        ({name: kind for name, kind in NOW.items() if name != "close"}, "it has no column close"),
        (NOW | {"close": "float64"}, "its column close is float64, not decimal"),
        (NOW | {"volume": "int32"}, "its column volume is int32, not decimal"),
        (NOW | {"trade_count": "string"}, "its column trade_count is string, not int64"),
        (NOW | {"mood": "string"}, "its column mood is not known"),
    ],
)
def test_any_other_difference_is_named_with_what_to_do(stored: dict[str, str], fault: str) -> None:
    with pytest.raises(TableDiffers, match=rf"here is not as this release .*{fault}.*move the table away"):
        evolution(DAILY_BARS, stored, "here")


def test_nobody_is_told_to_throw_raw_records_away() -> None:
    stored = {column.name: column.type for column in RAW_TICKS.columns}
    with pytest.raises(TableDiffers, match="put the table back") as told:
        evolution(RAW_TICKS, stored | {"price": "string"}, "here")
    assert "move" not in str(told.value)


def test_a_narrower_table_is_not_made_wider_by_older_code() -> None:
    older = replace(DAILY_BARS, columns=tuple(Column(c.name, "int64", c.doc, True) if c.name == "volume" else c for c in DAILY_BARS.columns))  # fmt: skip
    with pytest.raises(TableDiffers, match=r"its column volume is decimal\(25,6\), not int64"):
        evolution(older, NOW, "here")
