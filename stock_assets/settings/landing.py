"""names and texts -> settings of the landing.

Belongs here: how much one commit takes, and how long records may wait for it.
Does not belong here: landing (``stock_assets.lake``).
"""

from __future__ import annotations

import os

from stock_assets.settings.owner import Owner, setting


class LandingSettings(Owner):
    """Size and pace of landings."""

    max_rows: int = setting("LANDING_MAX_ROWS", 1_000_000, "rows of one commit at the most", ge=1)
    max_mb: float = setting("LANDING_MAX_MB", 64.0, "payload of one commit at the most, in MB", gt=0)
    min_rows: int = setting("LANDING_MIN_ROWS", 100_000, "a landing starts at once when so many records wait ...", ge=1)
    delay_s: float | None = setting(
        "LANDING_MAX_DELAY_S",
        None,
        "... or when some have waited for so many seconds",
        shown="30; embedded broker: 4, ticks beside the fictional market: 60",
        example="30",
        ge=0,
    )
    process_limit: int = setting(
        "LANDING_PROCESSES",
        0,
        "how many share the partitions of a long backlog",
        shown="one for each processor",
        example="2",
        ge=0,
    )

    @property
    def max_bytes(self) -> int:
        """Payload bytes of one commit at the most; with ``max_rows`` it bounds the memory of a drain."""
        return int(self.max_mb * 1024 * 1024)

    @property
    def processes(self) -> int:
        """Processes that share the partitions of a long backlog."""
        return self.process_limit or os.cpu_count() or 1
