"""names and texts -> settings of the dashboard and of the collector that it reads from.

Belongs here: how often facts are collected, and by which names browsers reach the dashboard.
Does not belong here: its port (``local``, beside those of the other services).
"""

from __future__ import annotations

from stock_assets.settings.owner import Names, Owner, setting


class DashboardSettings(Owner):
    """The dashboard, and the collector of what it shows."""

    collect_every_s: float = setting(
        "COLLECT_EVERY_S", 60.0, "seconds between two collections of the facts that the dashboard shows", ge=1
    )
    hosts: Names = setting(
        "DASHBOARD_HOSTS",
        ("127.0.0.1", "localhost"),
        "names by which browsers reach the dashboard; under any other they get nothing",
        shown="`127.0.0.1,localhost`",
    )
