"""names and texts -> settings of alerts.

Belongs here: whom they are told, and how often. Does not belong here: what is told (``observability.alerting``).
"""

from __future__ import annotations

from stock_assets.settings.owner import Owner, setting


class AlertSettings(Owner):
    """Whom it is told that something is wrong."""

    url: str = setting(
        "ALERTS_URL",
        "",
        "where alerts are sent, an address of [Apprise](https://github.com/caronc/apprise/wiki): Slack, Teams, mail, ntfy, "
        "PagerDuty, a webhook",
        shown="nowhere",
        repr=False,
    )
    remind_hours: float = setting(
        "ALERTS_REMIND_HOURS", 6.0, "after how many hours something that stays wrong is told again", gt=0
    )
