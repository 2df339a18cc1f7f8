"""a lake -> one of its built assets, as Dagster materializes it for a range.

Belongs here: running a stage alone. Does not belong here: what stands in for Spark, which the tests decide.
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from stock_assets.defs.built_assets import built_assets
from stock_assets.defs.jobs import build_config
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.resources import Lake, Spark
from stock_assets.settings.platform import Settings

FIRST_SESSION = "2013-01-02"


def build_stage(lake: str, key: dg.AssetKey, first: date, last: date) -> None:
    """Build what is stale of the stage from ``first`` to ``last``."""
    settings, name = Settings({"LAKE_ROOT": lake, "FIRST_SESSION": FIRST_SESSION}), key.to_python_identifier()
    assert dg.materialize(
        [
            asset
            for asset in built_assets(session_partitions(date.fromisoformat(FIRST_SESSION)), settings)
            if key in asset.keys
        ],
        instance=dg.DagsterInstance.ephemeral(),
        resources={"lake": Lake(root=lake), "spark": Spark(remote="", small_remote="")},
        partition_key=str(last),
        run_config={"ops": {name: build_config(first, last)["ops"][name]}},
    ).success
