"""Each column tells what it is made from, from the marts back to raw."""

from __future__ import annotations

import dagster as dg
import pytest

from stock_assets.definitions import defs
from stock_assets.domain.column_origins import COLUMN_ORIGINS
from stock_assets.domain.tables import DERIVED_TABLES
from stock_assets.warehouse.column_lineage import add_column_lineage
from stock_assets.warehouse.models import manifest
from stock_assets.warehouse.set_up import schema_statements, table_statements

LINEAGE = {
    spec.key.to_user_string(): lineage.deps_by_column
    for spec in defs.resolve_all_asset_specs()
    if (lineage := spec.metadata.get("dagster/column_lineage"))
}
SCHEMAS = {
    spec.key.to_user_string(): {column.name for column in schema.columns}
    for spec in defs.resolve_all_asset_specs()
    if (schema := spec.metadata.get("dagster/column_schema"))
}


def origins(asset: str, column: str) -> set[str]:
    """The columns without an origin at the end of all ways up."""
    above = LINEAGE.get(asset, {}).get(column, [])
    if not above:
        return {f"{asset}.{column}"}
    return {end for dep in above for end in origins(dep.asset_key.to_user_string(), dep.column_name)}


def test_what_is_named_exists_and_nothing_is_left_out() -> None:
    for table in DERIVED_TABLES:
        assert COLUMN_ORIGINS[table.path].keys() == set(table.names), table.path
    for asset, columns in LINEAGE.items():
        assert columns.keys() <= SCHEMAS[asset], asset
        for column, above in columns.items():
            missing = [dep for dep in above if dep.column_name not in SCHEMAS[dep.asset_key.to_user_string()]]
            assert not missing, (asset, column, missing)


def test_an_asset_is_made_from_columns_of_what_is_above_it() -> None:
    graph = defs.resolve_asset_graph()
    for asset, columns in LINEAGE.items():
        named = {dep.asset_key for above in columns.values() for dep in above}
        assert named <= graph.get_ancestor_asset_keys(dg.AssetKey.from_user_string(asset)), asset


@pytest.mark.parametrize(
    ("asset", "column", "wanted"),
    [
        ("marts/fact_stock_daily", "close_price", "raw/ticks.price"),
        ("marts/mart_symbol_performance", "return_252", "raw/bars.close"),
        ("marts/mart_symbol_performance", "return_252", "raw/actions.value"),
        ("marts/mart_market_breadth", "new_highs", "raw/bars.high"),
        ("marts/int_stock_hourly", "volume", "raw/ticks.size"),
        ("warehouse/daily_stock_metrics", "macd", "raw/actions.value"),
    ],
)
def test_a_column_of_a_mart_leads_back_to_raw(asset: str, column: str, wanted: str) -> None:
    assert wanted in origins(asset, column)


def test_views_that_are_no_assets_are_looked_through_and_what_cannot_be_traced_is_said() -> None:
    assert origins("warehouse/stock_daily_adjusted", "present_symbol") >= {"warehouse/stocks.present_symbol"}
    (model,) = (node for node in manifest()["nodes"].values() if node.get("name") == "stg_stocks")
    wrong = model | {"raw_code": "select nothing_like_it from {{ source('warehouse', 'stocks') }}"}
    given = {"nodes": {"model": wrong}, "sources": {}}
    with pytest.raises(ValueError, match="the columns of stg_stocks cannot be traced"):
        add_column_lineage(given, [*table_statements(), *schema_statements()])
