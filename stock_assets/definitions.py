"""settings -> Dagster definitions.

Belongs here: joining the parts. Nothing else: no service is asked, no secret needed to load this.
"""

from __future__ import annotations

import warnings
from typing import Any, cast

import dagster as dg

# Partitioned checks are in preview, range backfills in beta; both are held by this project's tests.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from stock_assets.defs.built_assets import built_assets
from stock_assets.defs.checks import asset_checks
from stock_assets.defs.fetch_schedules import FETCH, fetch_schedules
from stock_assets.defs.finding_assets import FINDINGS, finding_assets, findings_sensor
from stock_assets.defs.jobs import BUILD, DRAIN
from stock_assets.defs.lineage_sensor import lineage_sensor
from stock_assets.defs.live import WINDOWS, windows_asset, windows_schedule
from stock_assets.defs.maintenance import maintenance_job, maintenance_schedule
from stock_assets.defs.marts import marts, marts_sensor
from stock_assets.defs.metadata import layered
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.quality_assets import quality_assets
from stock_assets.defs.raw_assets import quarantine_asset, raw_asset
from stock_assets.defs.reference_assets import REFRESH, refresh_schedule, stock_statements
from stock_assets.defs.resources import resources
from stock_assets.defs.sensors import drain_sensor, failure_sensor, staleness_sensor
from stock_assets.defs.serving import serving_assets
from stock_assets.defs.topic_assets import topic_assets
from stock_assets.defs.vendor_history import vendor_history
from stock_assets.json_lines import begin
from stock_assets.local.on_demand import give_way
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export
from stock_assets.topic.topics import topics_of


def build_definitions(settings: Settings, **replaced_resources: Any) -> dg.Definitions:
    """All definitions for these settings; tests replace resources by name."""
    partitions = session_partitions(settings.dagster.first_session)
    status = dg.DefaultSensorStatus.RUNNING if settings.dagster.automatic else dg.DefaultSensorStatus.STOPPED
    maintenance = maintenance_job(partitions, settings)
    assets: list[Any] = [
        vendor_history(partitions, settings),
        topic_assets(settings.broker),
        *(raw_asset(topic, partitions, settings) for topic in topics_of(settings.broker).values()),
        quarantine_asset(),
        *built_assets(partitions, settings),
        *quality_assets(partitions, settings),
        *finding_assets(partitions, settings),
        stock_statements(settings),
        windows_asset(partitions),
        *marts(settings),
        *([serving_assets()] if settings.serving.on else []),
    ]
    return dg.Definitions(
        assets=dg.map_asset_specs(layered, cast("list[Any]", dg.with_source_code_references(assets))),
        asset_checks=asset_checks(partitions, settings),
        jobs=[DRAIN, BUILD, FINDINGS, FETCH, REFRESH, WINDOWS, maintenance],
        schedules=[
            *fetch_schedules(settings),
            refresh_schedule(settings),
            windows_schedule(settings),
            maintenance_schedule(maintenance, settings),
        ],
        sensors=[
            drain_sensor(settings, status),
            staleness_sensor(partitions, settings, status),
            findings_sensor(partitions, settings, status),
            failure_sensor(status),
            marts_sensor(settings, status),
            *([lineage_sensor(settings, status, assets)] if settings.lineage.url else []),
        ],
        resources=resources(settings) | replaced_resources,
        # A run is one process: a step of its own costs 2 s of imports each.
        executor=dg.in_process_executor,
    )


def _load() -> dg.Definitions:
    settings = load_and_export()
    begin(settings)  # runs are forked from a process that imports this, and nothing before
    give_way(settings)
    return build_definitions(settings)


defs = _load()
