"""settings -> what publishes beside the services.

Belongs here: when the fictional market takes the place of a vendor. Does not belong here: publishing (``stock_assets.publishers``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stock_assets.settings.platform import Settings


def runs_fictional_market(settings: Settings) -> bool:
    """Whether a market of symbols that are no company's runs, so that there is something to see."""
    return settings.live.live_demo and settings.embedded_kafka and not settings.vendors.publishers


def names_of_publishers(settings: Settings) -> tuple[str, ...]:
    """The publishers that are named, or the simulator of the fictional market."""
    return ("simulator",) if runs_fictional_market(settings) else settings.vendors.publishers
