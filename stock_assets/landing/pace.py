"""settings -> how long records of a topic may wait to be landed together.

Belongs here: the delays. Does not belong here: asking for a landing (``defs``), and what is late (``observability``).
"""

from __future__ import annotations

from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import runs_fictional_market
from stock_assets.topic.topics import TICKS

DELAY_S, EMBEDDED_DELAY_S, FICTIONAL_DELAY_S = 30.0, 4.0, 60.0


def longest_delay_s(settings: Settings, stage: str) -> float:
    """Seconds that records of a topic may wait for a landing.

    Few at the embedded broker, where somebody watches. Ticks of a market that never ends wait for longer: a run every few
    seconds would keep a small machine busy.
    """
    if settings.landing.delay_s is not None:
        return settings.landing.delay_s
    if stage == TICKS.stage and runs_fictional_market(settings):
        return FICTIONAL_DELAY_S
    return EMBEDDED_DELAY_S if settings.embedded_kafka else DELAY_S
