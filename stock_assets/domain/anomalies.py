"""kind of anomaly -> what it is, and the numbers of its rule.

Belongs here: the kinds, and the constants that judge a minute. Does not belong here: judging (``quality.anomalies``).
"""

from __future__ import annotations

BASELINE_SESSIONS = 20
"""Sessions of the exchange before the judged one whose same slot is compared with."""
LEAST_SESSIONS = 10
"""Of these so many must have the slot; with fewer nothing is judged."""
SLOT_MINUTES = 5
THRESHOLD = 6.0
"""Robust standard deviations from the median."""
DEVIATION_OF_MAD = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
TICK = 0.01
"""Smallest step of a price, in currency: less than that is no deviation."""
LEAST_VOLUME_DEVIATION = 0.1
"""Of log1p(shares), about a tenth of the shares: where each minute has the same volume, its deviation would be 0."""
RECENT_MINUTES = 30
"""Minutes before the judged one, in its session, from which its volatility is taken."""
LEAST_RECENT_RETURNS = 4
TAKEN_BACK = 0.75
"""Part of a jump that the next minute undoes, for it to be a suspect print."""

KINDS: dict[str, str] = {
    "jump": "a 1-minute return far from what is usual at that time of day, in units of recent volatility",
    "block": "far more shares in a minute than usual at that time of day, without a jump",
    "suspect_print": "a jump of which the next minute takes back three quarters or more",
}
