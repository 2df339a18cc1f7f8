"""pattern -> its definition.

Belongs here: which patterns of daily candles are looked for, what each is, and which way it is said to point; one entry each.
Does not belong here: finding them (``quality.patterns``), how often they are (``reading.base_rates``).

A pattern is a form, no forecast: beside each stands how often it is seen in our own data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["bullish", "bearish", "neutral"]
LOOKBACK_SESSIONS = 12
"""Sessions before its own that a pattern looks at: ten to know what is long and what is short, and the two candles before."""


@dataclass(frozen=True)
class Pattern:
    """One pattern.

    Attributes:
        direction: where the textbook says that prices go.
        definition: one sentence; ranges are high - low, bodies |close - open|, in the shares of the pattern's session.
        function: of TA-Lib, with its default settings; None for a rule of our own.
    """

    name: str
    direction: Direction
    definition: str
    function: str | None = None


PATTERNS: dict[str, Pattern] = {
    each.name: each
    for each in (
        Pattern("doji", "neutral", "body of at most 10 % of the mean range of the 10 sessions before", "CDLDOJI"),
        Pattern(
            "hammer",
            "bullish",
            "body smaller than the mean of the 10 before, lower shadow longer than the body, hardly an upper one (below 10 % of "
            "the mean range), near or below the low before; no fall before it is required",
            "CDLHAMMER",
        ),
        Pattern("bullish_engulfing", "bullish", "a rising body around the falling one before", "CDLENGULFING"),
        Pattern("bearish_engulfing", "bearish", "a falling body around the rising one before", "CDLENGULFING"),
        Pattern(
            "morning_star",
            "bullish",
            "a long falling body, a short one wholly below it, a rising one that ends above 30 % of the first",
            "CDLMORNINGSTAR",
        ),
        Pattern(
            "evening_star",
            "bearish",
            "a long rising body, a short one wholly above it, a falling one that ends below 30 % of the first",
            "CDLEVENINGSTAR",
        ),
        Pattern("gap_up", "bullish", "its low is above the high of the session before"),
        Pattern("gap_down", "bearish", "its high is below the low of the session before"),
        Pattern("golden_cross", "bullish", "the mean close of 50 sessions is above that of 200, and was not before"),
        Pattern("death_cross", "bearish", "the mean close of 50 sessions is below that of 200, and was not before"),
    )
}
"""Every pattern, by its name."""
