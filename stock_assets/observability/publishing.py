"""publishers' health files, vendors' budgets -> what publishers did.

Belongs here: their numbers. Does not belong here: whether one is well (``services``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from stock_assets.domain.errors import StockAssetsError
from stock_assets.observability.observation import PublisherSeen
from stock_assets.publishers.health import HealthFile
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import names_of_publishers

COUNTED = ("fetched", "acknowledged", "refused", "reconnects")


def publishers(settings: Settings) -> list[PublisherSeen]:
    """The publishers that the settings name, as far as they ever ran on this machine."""
    found = []
    for name in names_of_publishers(settings):
        health = HealthFile(settings.local_dir, name.replace("-", "_"), now=lambda: datetime.now(UTC)).read()
        if health is not None:
            counts = {each: getattr(health, each) for each in COUNTED}
            found.append(PublisherSeen(name, **counts, requests_left=_left(settings, name)))
    return found


def _left(settings: Settings, name: str) -> int | None:
    if name != "alpha-vantage":
        return None
    from stock_assets.sources.alpha_vantage_client import budget_of

    try:
        return budget_of(settings.vendors.alpha_vantage, settings.local_dir).left()
    except (StockAssetsError, OSError):
        return None
