"""work done outside of a run -> events in Dagster.

Belongs here: telling an instance that exists of what a command stored. Does not belong here: the work. Dagster is
imported only when there is an instance: a command without one does not pay for it (2 CPU-seconds).
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stock_assets.settings import Settings

if TYPE_CHECKING:
    from stock_assets.lake.landing import Landing
    from stock_assets.lake.redrive import Redrive
    from stock_assets.topic.topics import Topic


def instance_home(settings: Settings) -> Path | None:
    """Folder of the Dagster instance: ``DAGSTER_HOME``, else the embedded one; None when neither exists."""
    named = settings.text("DAGSTER_HOME")
    home = Path(named) if named else settings.dagster_home
    return home if (home / "dagster.yaml").is_file() else None


def report_redriven(settings: Settings, topic: Topic, done: Redrive) -> int:
    """Report one materialization per session that a redrive touched; returns their number, 0 without an instance."""
    home = instance_home(settings)
    if home is None or not done.sessions:
        return 0
    import dagster as dg

    from stock_assets.defs.partitions import session_partitions, within
    from stock_assets.defs.raw_assets import RAW_KEYS

    days = within(session_partitions(settings.first_session), done.sessions)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for day in days:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    RAW_KEYS[topic.stage],
                    partition=day.isoformat(),
                    description="Records of the quarantine, accepted by a redrive.",
                    metadata={
                        "dagster/row_count": done.sessions[day],
                        "landing_id": done.landing_id,
                        "delta_version": done.version,
                    },
                )
            )
    return len(days)


class LandingReports:
    """Tells Dagster what a process outside of it landed: per session and at most every ``EVERY_S`` seconds one event.

    Does nothing without an instance. A context manager: the last report goes out at its end.
    """

    EVERY_S = 15.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = instance_home(settings)
        self._rows: Counter[tuple[str, date]] = Counter()
        self._sent = time.monotonic()

    def add(self, topic: Topic, landing: Landing) -> None:
        """Note a landing; what was noted goes out when its time has come."""
        for day, rows in landing.sessions.items():
            self._rows[topic.stage, day] += rows
        if time.monotonic() - self._sent >= self.EVERY_S:
            self.send()

    def send(self) -> None:
        """Report what was noted since the last time."""
        self._sent = time.monotonic()
        noted, self._rows = self._rows, Counter()
        if self._home is None or not noted:
            return
        import dagster as dg

        from stock_assets.defs.partitions import session_partitions, within
        from stock_assets.defs.raw_assets import RAW_KEYS

        known = set(within(session_partitions(self._settings.first_session), (day for _, day in noted)))
        with dg.DagsterInstance.from_config(str(self._home)) as instance:
            for (stage, day), rows in sorted(noted.items()):
                if day in known:
                    instance.report_runless_asset_event(
                        dg.AssetMaterialization(
                            RAW_KEYS[stage],
                            partition=day.isoformat(),
                            description="Landed by the continuous landing.",
                            metadata={"dagster/row_count": rows},
                        )
                    )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send()
