"""DAGSTER_HOME -> Dagster's databases, created.

Belongs here: creating them once, in one process. The web server and the daemon would both do it at their first start, at
the same time, and one of them would fail. Run as ``python -m stock_assets.defs.storage``.
"""

from __future__ import annotations

import dagster as dg


def create_storage() -> None:
    """Touch the run, event and schedule storages of the instance, which creates what is missing."""
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
        instance.all_asset_keys()
        instance.all_instigator_state()


if __name__ == "__main__":
    create_storage()
