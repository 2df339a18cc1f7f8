"""a request for the marts -> a run in this process, and what it did.

Belongs here: one run of the loads and models, in Dagster's own storage, beside whatever else runs.
Does not belong here: the assets (``marts``), printing (``commands.marts``).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass

import dagster as dg

from stock_assets.defs.marts import RUN_RESULTS, marts
from stock_assets.defs.orphaned_runs import fail_orphans, own_process
from stock_assets.defs.resources import resources
from stock_assets.domain.errors import PermanentError
from stock_assets.observability.orchestration import causes
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.for_marts import count_sessions_to_rebuild
from stock_assets.warehouse.set_up import set_up


@dataclass(frozen=True)
class MartsReport:
    """One run of the models.

    Attributes:
        statuses: models and tests by dbt's status.
        sessions: of the facts that were replaced or removed.
    """

    statuses: Counter[str]
    sessions: int
    seconds: float


def build_marts(settings: Settings) -> MartsReport:
    """Load what differs and build all models and tests. Needs ``DAGSTER_HOME``.

    Raises:
        PermanentError: the run failed; the text says why.
    """
    with connect(settings.snowflake) as connection:
        set_up(connection, settings.snowflake)
        sessions = count_sessions_to_rebuild(connection)
    began = time.monotonic()
    with dg.DagsterInstance.get() as instance:
        fail_orphans(instance)  # or one that was killed would count as being in progress for ever
        done = dg.materialize(
            marts(settings),
            instance=instance,
            resources=resources(settings),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags=own_process(),
            raise_on_error=False,
        )
        if not done.success:
            told = "; ".join(
                f"{step}: {said}" if step else said for step, said in causes(instance, done.run_id).items()
            )
            raise PermanentError(f"run {done.run_id[:8]} failed: {told}")
    results = json.loads((settings.local_dir / "dbt" / "target" / RUN_RESULTS).read_text())["results"]
    statuses = Counter(each["status"] for each in results if not each["unique_id"].startswith("exposure."))
    return MartsReport(statuses, sessions, time.monotonic() - began)
