"""a request for the marts -> a run in this process, and what it did.

Belongs here: one run of the loads and models, and what came of it.
Does not belong here: the assets (``marts``), running them (``own_runs``), printing (``commands.marts``).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass

from stock_assets.defs.marts import RUN_RESULTS, marts
from stock_assets.defs.own_runs import run_here
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
    """Load what differs and build all models and tests.

    Raises:
        PermanentError: the run failed; the text says why.
    """
    with connect(settings.snowflake) as connection:
        set_up(connection, settings.snowflake)
        sessions = count_sessions_to_rebuild(connection)
    began = time.monotonic()
    run_here(marts(settings), settings)
    results = json.loads((settings.local_dir / "dbt" / "target" / RUN_RESULTS).read_text())["results"]
    statuses = Counter(each["status"] for each in results if not each["unique_id"].startswith("exposure."))
    return MartsReport(statuses, sessions, time.monotonic() - began)
