"""a finished build -> what its sessions were built from.

Belongs here: storing the fingerprints of built sessions, and finding the last ones.
Does not belong here: what sessions are to be built from now (``staleness``, ``quality.state``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from stock_assets.domain.state_tables import BUILT_FROM
from stock_assets.lake.fingerprints import Fingerprints, made_by_present_rules
from stock_assets.lake.tables import append_rows, open_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

COMPACT_AFTER_FILES = 40


def built_from(lake_root: str, stage: str) -> Fingerprints:
    """What each session of a stage was built from, as ``record_built`` stored it last."""
    import pyarrow.dataset as ds

    handle = open_table(lake_root, BUILT_FROM)
    if handle is None:
        return {}
    rows = handle.to_pyarrow_dataset().to_table(filter=ds.field("stage") == stage).sort_by("built_at")
    return dict(zip(rows["trading_day"].to_pylist(), rows["fingerprint"].to_pylist(), strict=True))


def record_built(lake_root: str, stage: str, fingerprints: Fingerprints) -> None:
    """Remember what sessions were built from; after their rows are stored, so that a crash only repeats work."""
    now = datetime.now(UTC)
    rows = [
        {"stage": stage, "trading_day": day, "fingerprint": fingerprint, "built_at": now}
        for day, fingerprint in fingerprints.items()
    ]
    handle = append_rows(lake_root, BUILT_FROM, rows)
    if handle is not None and handle.get_add_actions().num_rows > COMPACT_AFTER_FILES:
        _compact(handle)


def made_by_other_rules(lake_root: str, stage: str, days: Collection[date]) -> list[date]:
    """Of these sessions, those of which a row may be left that the stage's present rules did not make, ascending."""
    built = built_from(lake_root, stage)
    return sorted(day for day in days if not made_by_present_rules(stage, built.get(day)))


def _compact(handle: DeltaTable) -> None:
    """Keep only the newest statement of each session; another writer's append makes this a no-op."""
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    rows = handle.to_pyarrow_table().sort_by("built_at")
    newest = rows.group_by(["stage", "trading_day"], use_threads=False).aggregate(
        [("fingerprint", "last"), ("built_at", "last")]
    )
    newest = newest.rename_columns(["stage", "trading_day", "fingerprint", "built_at"])
    try:
        write_deltalake(handle, newest.cast(BUILT_FROM.arrow_schema()), mode="overwrite")
    except DeltaError:
        return
