"""topics -> assets that are observed: how many records of each wait.

Belongs here: what a topic is in the graph, and its lag as Dagster shows it.
Does not belong here: landing a topic (``raw_assets``), deciding that one is due (``sensors``).
"""

from collections.abc import Iterator

import dagster as dg

from stock_assets.defs.metadata import OWNERS
from stock_assets.defs.raw_assets import HISTORY, KAFKA_KEYS
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import TICKS, topics_of


def topic_assets(broker: Broker) -> dg.AssetsDefinition:
    """The topics. The drain sensor observes them, too, whenever their lag has changed; Dagster never makes them."""
    specs = [
        dg.AssetSpec(
            key,
            deps=[] if stage == TICKS.stage else [HISTORY],
            description=f"Kafka topic {topic.name}: {topic.message.__name__.lower()}s, key = symbol.",
            group_name="kafka",
            kinds={"kafka"},
            owners=OWNERS,
        )
        for stage, key in KAFKA_KEYS.items()
        for topic in (topics_of(broker)[stage],)
    ]

    @dg.multi_observable_source_asset(name="topics", specs=specs, can_subset=True)
    def topics(context: dg.AssetExecutionContext, lake: Lake, kafka: Kafka) -> Iterator[dg.ObserveResult]:
        for stage, lag in read_lags(lake.root, kafka.broker).items():
            if KAFKA_KEYS[stage] in context.selected_asset_keys:
                yield dg.ObserveResult(asset_key=KAFKA_KEYS[stage], metadata=lag_metadata(lag))

    made: dg.AssetsDefinition = topics
    return made


def read_lags(lake_root: str, broker: Broker) -> dict[str, int | str]:
    """Offsets that wait, per topic; a sentence instead where landing must not go on by itself."""
    from stock_assets.landing.waiting import waiting

    return {stage: each.stopped or each.total for stage, each in waiting(lake_root, broker).items()}


def lag_metadata(lag: int | str) -> dict[str, int | str]:
    """A topic's lag, or why it is stopped, for the UI."""
    return {"lag" if isinstance(lag, int) else "stopped": lag}
