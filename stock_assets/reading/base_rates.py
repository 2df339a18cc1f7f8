"""patterns, metrics -> how often each pattern is seen.

Belongs here: shares of symbol-sessions, of all symbols or of one: what a pattern on a day is to be compared with.
Does not belong here: finding patterns (``quality.patterns``), showing them (commands, dashboard).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stock_assets.domain.patterns import PATTERNS
from stock_assets.reading.sql import answer_of
from stock_assets.settings.platform import Settings


@dataclass(frozen=True)
class BaseRate:
    """``seen`` of so many ``sessions``, those of each symbol counted."""

    seen: int
    sessions: int

    @property
    def percent(self) -> float:
        """0 where there is no session."""
        return 100 * self.seen / self.sessions if self.sessions else 0.0

    def __str__(self) -> str:
        return f"{self.percent:.1f} %" if self.percent >= 1 or not self.seen else f"{self.percent:.2g} %"


def base_rates(settings: Settings, symbol: str | None = None) -> dict[str, BaseRate]:
    """Per pattern, in the order of their definitions, how often it is seen on our own data.

    Args:
        symbol: of this one alone.

    Raises:
        PermanentError: there are no patterns or no metrics yet.
    """
    query = (
        "SELECT symbol, pattern, count(*) FROM patterns GROUP BY ALL "
        "UNION ALL SELECT symbol, '', count(*) FROM daily_metrics GROUP BY ALL"
    )
    counted = Counter[str]()
    with answer_of(query, settings.lake_root, settings.universe) as rows:
        for name, pattern, count in rows.fetchall():
            if symbol in (None, name):
                counted[pattern] += count
    return {name: BaseRate(counted[name], counted[""]) for name in PATTERNS}
