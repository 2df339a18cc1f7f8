"""assets -> a run of them in this process.

Belongs here: one run in Dagster's own storage, beside whatever else runs, for commands that somebody waits for.
Does not belong here: which assets (``mart_runs``, ``serving``).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from stock_assets.defs.orphaned_runs import fail_orphans, own_process
from stock_assets.defs.resources import resources
from stock_assets.domain.errors import PermanentError
from stock_assets.local.dagster import ensure_home
from stock_assets.observability.orchestration import causes_in_one_line
from stock_assets.settings.platform import Settings


def run_here(assets: Sequence[dg.AssetsDefinition], settings: Settings) -> dg.ExecuteInProcessResult:
    """Materialize assets, with the records of these settings' Dagster, whose database runs.

    Raises:
        PermanentError: the run failed; the text says why.
    """
    with dg.DagsterInstance.from_config(str(ensure_home(settings))) as instance:
        fail_orphans(instance)  # or one that was killed would count as being in progress for ever
        done = dg.materialize(
            assets,
            instance=instance,
            resources=resources(settings),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags=own_process(),
            raise_on_error=False,
        )
        if not done.success:
            raise PermanentError(f"run {done.run_id[:8]} failed: {causes_in_one_line(instance, done.run_id)}")
    return done
