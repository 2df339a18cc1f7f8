"""Yahoo -> topics, as a Dagster asset.

Belongs here: fetching the sessions a run asks for, one call per symbol, and publishing what the lake does not know.
Does not belong here: landing; the drain sensor sees the records.
"""

from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, permanent_failures
from stock_assets.defs.metadata import OWNERS, markdown_table
from stock_assets.defs.partitions import asked_sessions
from stock_assets.defs.raw_assets import HISTORY
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.settings import Settings


def vendor_history(partitions: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """Daily bars, splits and dividends of the asked sessions, published to Kafka."""

    @dg.asset(
        key=HISTORY,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
        pool="yahoo",
        description="Fetches the asked sessions from Yahoo, one call per symbol, and publishes what is new or differs.",
        group_name="sources",
        kinds={"python", "kafka"},
        owners=OWNERS,
    )
    def history(context: dg.AssetExecutionContext, lake: Lake, kafka: Kafka) -> dg.MaterializeResult[Any]:
        from stock_assets.lake.known import Known
        from stock_assets.sources.yahoo import fetch_history, http_session
        from stock_assets.topic.publish import publish
        from stock_assets.topic.topics import create_topics

        days: list[date] = asked_sessions(context) or []
        with permanent_failures():
            create_topics(kafka.bootstrap, settings.kafka_partitions)
            known, session = Known(lake.root), http_session(settings.yahoo_proxy, settings.yahoo_ca_bundle)
            report, published = [], 0
            for symbol in settings.symbols:
                fetched = fetch_history(symbol, days[0], days[-1], session)
                done = publish(kafka.bootstrap, known.new(fetched.messages))
                published += done.total
                for refused in fetched.refused:
                    context.log.warning(f"refused: {refused}")
                report.append({"symbol": symbol, "fetched": len(fetched.messages), "new": done.total})
        return dg.MaterializeResult(metadata={"published": published, "symbols": markdown_table(report)})

    return history
