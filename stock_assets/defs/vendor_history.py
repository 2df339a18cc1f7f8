"""vendors -> topics, as a Dagster asset.

Belongs here: which vendors are asked for which of the sessions of a run, and what the run says of it.
Does not belong here: fetching and publishing (``publishers.catch_up``), landing: the drain sensor sees the records.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, tells_failures
from stock_assets.defs.metadata import OWNERS, markdown_table
from stock_assets.defs.partitions import asked_sessions
from stock_assets.defs.raw_assets import HISTORY
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.domain.sessions import sessions_between
from stock_assets.settings.platform import Settings
from stock_assets.sources.fetched import Fetched


class HistoryConfig(dg.Config):
    """What to ask for.

    Attributes:
        again: also ask for sessions whose final bar the lake holds, to see whether the vendor changed it.
        first: ask for all sessions from this day (YYYY-MM-DD) to the run's last one; the schedules' way to name a range.
    """

    again: bool = False
    first: str | None = None


def vendor_history(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """Daily bars, splits and dividends of the asked sessions, published to Kafka."""

    @dg.asset(
        key=HISTORY,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
        pool="vendors",
        description="Fetches what the lake lacks of the asked sessions, one call per symbol, and publishes it: "
        "a backfill after an outage asks for the missing symbols and sessions alone.",
        group_name="sources",
        kinds={"python", "kafka"},
        owners=OWNERS,
    )
    @tells_failures
    def history(
        context: dg.AssetExecutionContext, config: HistoryConfig, lake: Lake, kafka: Kafka
    ) -> dg.MaterializeResult[Any]:
        from stock_assets.publishers.catch_up import catch_up, missing_cells
        from stock_assets.topic.topics import create_topics

        days: list[date] = asked_sessions(context) or []
        if config.first and days:
            days = sessions_between(date.fromisoformat(config.first), days[-1])
        report, published = [], 0
        create_topics(kafka.broker, settings.kafka.partitions)
        for source in settings.vendors.history_sources:
            cells = missing_cells(lake.root, source, settings.symbols, days, settings.universe)
            if config.again:
                cells = dict.fromkeys(settings.symbols, days)
            for done in catch_up(lake.root, kafka.broker, cells, _fetch(source, settings)):
                published += done.published
                for refused in done.refused:
                    context.log.warning(f"refused: {refused}")
                lacking = ", ".join(map(str, done.lacking[:3])) + (" ..." if len(done.lacking) > 3 else "")
                report.append(
                    {
                        "source": source,
                        "symbol": done.symbol,
                        "sessions asked for": done.asked,
                        "new": done.published,
                        "not to be had": lacking,
                    }
                )
        metadata: dict[str, Any] = {"published": published, "sessions": len(days)}
        return dg.MaterializeResult(metadata=metadata | ({"symbols": markdown_table(report)} if report else {}))

    return history


def _fetch(source: str, settings: Settings) -> Callable[[str, date, date], Fetched]:
    """How a vendor is asked for the daily bars of a symbol."""
    if source == "alpha_vantage":
        from stock_assets.sources.alpha_vantage import fetch_daily
        from stock_assets.sources.alpha_vantage_client import AlphaVantageClient, budget_of

        vendor = settings.vendors.alpha_vantage
        client = AlphaVantageClient(vendor, budget_of(vendor, settings.local_dir), ca_bundle=settings.local.ca_bundle)
        return lambda symbol, first, last: fetch_daily(client, symbol, first, last)
    from stock_assets.sources.yahoo import fetch_history
    from stock_assets.sources.yahoo_session import http_session

    session = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
    return lambda symbol, first, last: fetch_history(symbol, first, last, session)
