"""topics -> raw tables, as Dagster assets.

Belongs here: the external Kafka assets, the drain of each topic, and the quarantine beside them.
Does not belong here: how a range is landed (``landing.commit``) and when (``sensors``).

A raw asset has two modes. Without a partition key it drains its topic and reports each touched session; with one (the
UI, a backfill) it rebuilds those sessions from the topic.
"""

import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.failures import RETRIES, tells_failures
from stock_assets.defs.materializations import log_materializations
from stock_assets.defs.metadata import OWNERS, definition_metadata, markdown_table
from stock_assets.defs.partitions import asked_sessions, within
from stock_assets.defs.resources import Kafka, Lake
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import ACTIONS, BARS, TICKS, Topic

KAFKA_KEYS = {
    TICKS.stage: dg.AssetKey(["kafka", "realtime"]),
    BARS.stage: dg.AssetKey(["kafka", "batch"]),
    ACTIONS.stage: dg.AssetKey(["kafka", "actions"]),
}
RAW_KEYS = {topic.stage: dg.AssetKey(["raw", topic.stage]) for topic in (TICKS, BARS, ACTIONS)}
QUARANTINE = dg.AssetKey(["raw", "quarantine"])
COMPLETENESS = "completeness"
HISTORY = dg.AssetKey(["sources", "history"])

_TEXT = {
    TICKS.stage: "Every trade and quote of the topic, once, with its offset; rejected records with their reason.",
    BARS.stage: "Vendors' daily and minute bars, their literals untouched; a changed bar is a new row.",
    ACTIONS.stage: "Splits and dividends, as vendors stated them.",
}


def quarantine_asset() -> dg.AssetSpec:
    """The rejected part of the raw tables; drains report it."""
    return dg.AssetSpec(
        QUARANTINE,
        deps=list(RAW_KEYS.values()),
        description="Records that were rejected: payload, reason, topic, partition, offset. Part of the raw tables.",
        group_name="raw",
        kinds={"deltalake"},
        owners=OWNERS,
    )


def raw_asset(topic: Topic, partitions: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """The raw table of one topic."""

    @dg.asset(
        key=RAW_KEYS[topic.stage],
        deps=[KAFKA_KEYS[topic.stage]],
        partitions_def=partitions,
        output_required=False,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
        pool=f"raw_{topic.stage}",
        description=_TEXT[topic.stage],
        group_name="raw",
        kinds={"kafka", "deltalake"},
        owners=OWNERS,
        metadata=definition_metadata(topic.table),
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETENESS,
                asset=RAW_KEYS[topic.stage],
                partitions_def=partitions,
                blocking=True,
                description="Per topic partition: offsets read = accepted + rejected + gaps, contiguous, nothing twice.",
            )
        ],
    )
    @tells_failures
    def raw(context: dg.AssetExecutionContext, lake: Lake, kafka: Kafka) -> Iterator[Any]:
        days = asked_sessions(context)
        if days is None:
            days = _drain(context, topic, partitions, lake.root, kafka.broker, settings)
        else:
            yield _rebuild(context, topic, lake.root, kafka.broker, days, settings)
        yield _completeness(topic, lake.root, days)

    return raw


def _drain(
    context: dg.AssetExecutionContext,
    topic: Topic,
    partitions: dg.DailyPartitionsDefinition,
    lake_root: str,
    broker: Broker,
    settings: Settings,
) -> list[date]:
    """Land, report each touched session, and return those sessions."""
    from stock_assets.landing.commit import land
    from stock_assets.landing.prepare import Limits

    started = time.monotonic()
    touched: set[date] = set()
    limits = Limits.of(settings)
    for landing in land(lake_root, broker, topic, limits, settings.universe):
        context.log.info(
            f"{topic.name}: {landing.offsets} offsets = {landing.accepted} accepted + {landing.rejected} rejected + "
            f"{landing.gaps} gaps, Delta version {landing.version}"
        )
        shared: dict[str, Any] = {
            "landing_id": landing.landing_id,
            "delta_version": landing.version,
            "offsets": {str(p): [landing.first[p], following - 1] for p, following in landing.next.items()},
            "seconds": time.monotonic() - started,
        }
        touched.update(landing.sessions)
        told = [
            dg.AssetMaterialization(
                context.asset_key,
                partition=day.isoformat(),
                metadata={"dagster/row_count": landing.sessions[day], **shared},
            )
            for day in within(partitions, landing.sessions)
        ]
        log_materializations(context, told)
        if landing.rejected:
            context.log_event(
                dg.AssetMaterialization(
                    QUARANTINE, metadata={"topic": topic.name, "dagster/row_count": landing.rejected, **shared}
                )
            )
    return sorted(touched)


def _completeness(topic: Topic, lake_root: str, days: list[date]) -> dg.AssetCheckResult:
    """The equation over the landings that touch these sessions; over everything when there are none."""
    from stock_assets.raw.alerts import alert
    from stock_assets.raw.completeness import prove

    proofs = prove(lake_root, topic, days or None)
    broken = [proof for proof in proofs if not proof.holds]
    rows = [
        {
            "partition": proof.partition,
            "offsets": f"{proof.coverage.first} to {proof.coverage.following - 1}",
            "read": proof.offsets,
            "accepted": proof.accepted,
            "rejected": proof.rejected,
            "gaps": proof.gaps,
            "landings": proof.landings,
            "holds": proof.holds,
        }
        for proof in proofs
    ]
    return dg.AssetCheckResult(
        check_name=COMPLETENESS,
        asset_key=RAW_KEYS[topic.stage],
        passed=not broken,
        description=" ".join(alert(lake_root, topic, proof) for proof in broken)
        or "every offset is accounted for exactly once",
        metadata={"equation": markdown_table(rows)},
    )


def _rebuild(
    context: dg.AssetExecutionContext,
    topic: Topic,
    lake_root: str,
    broker: Broker,
    days: list[date],
    settings: Settings,
) -> dg.MaterializeResult[Any]:
    from stock_assets.raw.rebuild import rebuild

    rows, replaced, reasons = 0, 0, set()
    for day in days:
        done = rebuild(lake_root, broker, topic, day, settings.universe)
        context.log.info(f"{day}: {done.rows} rows, {done.reason}")
        rows, replaced = rows + done.rows, replaced + done.replaced
        reasons.add(done.reason)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "sessions_replaced": replaced, "outcome": "; ".join(sorted(reasons))}
    )
