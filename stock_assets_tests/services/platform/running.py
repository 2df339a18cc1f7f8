"""A running platform, as the tests beside this module ask it.

Belongs here: what is read from its Dagster, its lake and its topics. Does not belong here: starting it (``conftest``).
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.domain import tables
from stock_assets.lake import staleness
from stock_assets.lake.tables import read_sessions
from stock_assets.settings.platform import Settings

FIRST, LAST = date(2013, 2, 19), date(2013, 3, 1)
TICK_SOURCE = "simulator_ticks"
RUNS_S = 600
"""How long runs may take to be asked for, to start and to end on a machine that has other work."""


@dataclass
class Platform:
    """A running platform and its Dagster instance."""

    settings: Settings
    instance: dg.DagsterInstance

    def events(self, asset: str, after: int = 0) -> list[tuple[str | None, str]]:
        """(partition, run id) of materializations stored after a storage id."""
        found = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset.split("/")), after_storage_id=after), limit=1000
        )
        return [(record.partition_key, record.run_id) for record in found.records]

    def newest_event(self) -> int:
        """Storage id to pass to ``events``."""
        newest = [
            record.storage_id
            for key in self.instance.all_asset_keys()
            for record in self.instance.fetch_materializations(key, limit=1).records
        ]
        return max(newest, default=0)

    def up_to_date(self) -> bool:
        """Nothing waits in the topics, nothing is stale, no run is in flight."""
        from stock_assets.defs.topic_assets import read_lags
        from stock_assets.observability.orchestration import UNFINISHED

        if any(read_lags(self.settings.lake_root, self.settings.broker).values()):
            return False
        stale = staleness.stale_by_stage(self.settings.lake_root, self.settings.snowflake.target)
        if any(day >= FIRST for days in stale.values() for day in days):
            return False
        return not self.instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED), limit=1)

    def bar(self, day: date, symbol: str) -> dict[str, Any]:
        rows = read_sessions(self.settings.lake_root, tables.DAILY_BARS, list(tables.DAILY_BARS.names), day, day)
        (found,) = [row for row in rows.to_pylist() if (row["symbol"], row["source"]) == (symbol, TICK_SOURCE)]
        return found

    def graphql(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.settings.local.dagster_port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]
