"""seed, Yahoo -> master data of stocks, as a Dagster asset.

Belongs here: whom is asked for what and when, and what the run says of it.
Does not belong here: asking (``sources.yahoo_stocks``), storing (``lake.stocks``).
"""

from typing import Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, tells_failures
from stock_assets.defs.metadata import OWNERS, definition_metadata, markdown_table
from stock_assets.defs.resources import Lake
from stock_assets.domain.errors import StockAssetsError, VendorThrottled
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.domain.stocks import STOCK_STATEMENTS
from stock_assets.settings.platform import Settings

STOCKS_KEY = dg.AssetKey(["reference", "stocks"])
REFRESH = dg.define_asset_job(
    "refresh_stocks",
    selection=dg.AssetSelection.assets(STOCKS_KEY),
    description="Asks for names, sectors and exchanges of the symbols; asked for by its schedule.",
)


def stock_statements(settings: Settings) -> dg.AssetsDefinition:
    """What is said of stocks, and since when we know it; nothing is ever changed or removed."""

    @dg.asset(
        key=STOCKS_KEY,
        retry_policy=RETRIES,
        pool="vendors",
        description="Name, exchange, sector, industry and currency of each symbol, by the seed and by Yahoo: one row per "
        "statement that differs from the one before.",
        group_name="reference",
        kinds={"python", "deltalake"},
        owners=OWNERS,
        metadata=definition_metadata(STOCK_STATEMENTS),
    )
    @tells_failures
    def stocks(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
        from stock_assets.lake.stocks import learn, learn_shipped, listed

        learn_shipped(lake.root, listed(lake.root, settings.universe))
        said, failed = {}, []
        if "yahoo" in settings.vendors.history_sources:
            from stock_assets.sources.yahoo_session import http_session
            from stock_assets.sources.yahoo_stocks import fetch_description

            http = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
            for symbol in settings.symbols:
                try:
                    said[symbol] = fetch_description(symbol, http)
                except VendorThrottled as throttled:  # the others would be refused, too
                    failed.append({"symbol": symbol, "failure": str(throttled)})
                    break
                except StockAssetsError as broken:
                    failed.append({"symbol": symbol, "failure": str(broken)})
                    context.log.warning(str(broken))
        changed = learn(lake.root, said, "yahoo")
        metadata: dict[str, Any] = {"asked": len(said) + len(failed), "changed": ", ".join(changed) or "none"}
        return dg.MaterializeResult(metadata=metadata | ({"failed": markdown_table(failed)} if failed else {}))

    return stocks


def refresh_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Once a week, before the market opens; on when Yahoo is named in the settings."""
    named = "history_sources" in settings.vendors.model_fields_set and "yahoo" in settings.vendors.history_sources
    on = settings.dagster.automatic and named
    return dg.ScheduleDefinition(
        name="refresh_stocks_weekly",
        job=REFRESH,
        cron_schedule="0 7 * * 1",
        execution_timezone=str(EXCHANGE_ZONE),
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
        description="Mondays at 7:00 in New York: names, sectors and exchanges of the symbols.",
    )
