"""prices around a split -> how many times too often or too seldom it is in each of them.

Belongs here: the arithmetic of levels, on plain arrays.
Does not belong here: whose prices they are, which statements count, and what to do about it (``stale_history``).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Powers = NDArray[np.int64]

SMALLEST_RATIO = 1.2
"""Smaller splits (stock dividends) cannot be told from a day's move."""

REFERENCE_SESSIONS = 3
"""So many sessions on a new level make it the one the others are compared with; fewer are an outlier."""

_NO_MARKET_MOVE = 1.2
"""A step of more than e^1.2 (3.3 times) is no market's, whatever it lacks to the ratio."""

_ON_ITS_DAY = 0.3
"""Tolerance, as a part of the ratio's logarithm, on the day of the split itself: AAPL rose by 10 % on that of 2000."""


def tolerance(ratio: float) -> float:
    """How far a step's logarithm may be from that of the ratio: a tenth of it, more for ratios no market moves by.

    Never more than half of it, so that a step is nearest to one power only.
    """
    unit = abs(math.log(ratio))
    return min(unit / 2, max(unit / 10, unit - _NO_MARKET_MOVE))


def powers_of(steps: Floats, ratio: float, expected_at: int | None = None) -> Powers:
    """Which power of the ratio each step (a logarithm of prices' quotient) is; 0 when it is none within tolerance.

    Args:
        expected_at: position of the step into the day of the split, where a wider tolerance will do.
    """
    unit = math.log(ratio)
    slack = np.full(np.shape(steps), tolerance(ratio))
    if expected_at is not None and 0 <= expected_at < len(slack):
        slack[expected_at] = max(tolerance(ratio), _ON_ITS_DAY * abs(unit))
    powers = np.rint(steps / unit)
    powers[np.abs(steps - powers * unit) > slack] = 0
    found: Powers = powers.astype(np.int64)
    return found


def level_offsets(steps: Floats, ratio: float, ex_position: int) -> Powers:
    """Per session, by which power of the ratio its price is too high against the sessions that are right.

    Right are the newest REFERENCE_SESSIONS or more on one level, also fewer when they begin at the split, because what
    comes after it needs no adjusting; else the longest run. A price that is too high by the first power (reverse splits:
    too low) was not adjusted for the split, by the power -1 twice.

    Args:
        steps: logarithm of price / price of the session before, one less than there are sessions; free of splits and
            dividends, so that they are about 0 where all is well.
        ex_position: position of the first session at or after the split.
    """
    levels = np.concatenate([[0], np.cumsum(powers_of(steps, ratio, ex_position - 1))]).astype(np.int64)
    runs = runs_of(levels)
    right = next(
        (run for run in reversed(runs) if run[1] - run[0] >= REFERENCE_SESSIONS or run[0] == ex_position),
        max(runs, key=lambda run: run[1] - run[0]),
    )
    offsets: Powers = levels - levels[right[0]]
    return offsets


def runs_of(levels: Powers) -> list[tuple[int, int]]:
    """(first, following) positions of each run of equal levels."""
    borders = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    return [(first, following) for first, following in pairwise(borders) if following > first]


def powers_within(prices: Any, reference: float, ratio: float) -> Powers:
    """Per price of one session, by which power of the ratio it is away from the session's own level."""
    return powers_of(np.log(np.asarray(prices, dtype=np.float64) / reference), ratio)
