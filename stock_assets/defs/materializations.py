"""sessions that a run wrote -> their materializations in Dagster, stored together.

Belongs here: telling Dagster of many sessions at the cost of one. Does not belong here: counting their rows (the assets).

``context.log_event`` stores each event by itself, which takes 5 to 20 ms; a run of 250 sessions has a thousand.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from stock_assets.defs.partitions import asked_sessions


class _Batch(NamedTuple):
    """What Dagster asks of the batch that an event belongs to."""

    id: str
    is_end: bool


def log_materializations(context: dg.AssetExecutionContext, told: Sequence[dg.AssetMaterialization]) -> None:
    """Log them as ``context.log_event`` does, in one insert where ``DAGSTER_EVENT_BATCH_SIZE`` allows."""
    step, batch = context.op_execution_context.get_step_execution_context(), uuid.uuid4().hex
    for number, materialization in enumerate(told, start=1):
        dg.DagsterEvent.asset_materialization(step, materialization, _Batch(batch, number == len(told)))  # type: ignore[arg-type]


def report_sessions(
    context: dg.AssetExecutionContext,
    days: list[date],
    rows: dict[date, int],
    shared: dict[str, Any],
    preview: dict[str, Any],
) -> Iterator[Any]:
    """The run's own partitions as the asset's result, every other session that has rows as an event of its own."""
    own = set(asked_sessions(context) or [])
    others = [
        dg.AssetMaterialization(
            context.asset_key, partition=day.isoformat(), metadata={"dagster/row_count": rows[day], **shared}
        )
        for day in days
        if day not in own and day in rows
    ]
    log_materializations(context, others)
    count = sum(count for day, count in rows.items() if day in own)
    yield dg.MaterializeResult(metadata={"dagster/row_count": count, **shared, **preview})
