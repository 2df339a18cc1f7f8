"""settings -> by what sessions are judged.

Belongs here: what reconciliation and availability depend on besides the lake, in one value to hand on and to compare.
Does not belong here: judging (``reconciliation``, ``availability``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from zlib import crc32

from stock_assets.domain.reconciliation import Pair, Tolerance, trust_rank, vendor
from stock_assets.domain.universe import Rename, Universe, renames_of
from stock_assets.settings.platform import Settings


@dataclass(frozen=True)
class Judging:
    """What is compared and expected.

    Attributes:
        pairs: sources to compare; empty for the two most trusted vendors that have bars.
        bar_sources: sources of daily bars, most trusted first.
        universe: the symbols that are expected; None for those the lake has bars of, from their first one on.
        require_agreement: whether metrics leave out what the vendors disagree about.
    """

    bar_sources: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)
    universe: Universe | None = None
    require_agreement: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Judging:
        """As the settings say now.

        The code server and the runs forked from it keep theirs for as long as they live. Who judged by older ones would find
        stale what the other has just built, and build it again and again.
        """
        now = settings.now()
        quality = now.quality
        return cls(now.market.bar_sources, quality.pairs, quality.tolerance, now.universe, quality.require_agreement)

    @property
    def renames(self) -> tuple[Rename, ...]:
        """What makes one company of several symbols."""
        return renames_of(self.universe)

    def rank(self, source: str) -> tuple[int, str]:
        """Sorts sources as the metrics prefer them: those not listed come last, alphabetically."""
        return trust_rank(source, self.bar_sources)

    def choose(self, present: set[str]) -> tuple[Pair, ...]:
        """The pairs to compare, given the sources that have bars."""
        if self.pairs:
            return self.pairs
        ranked = sorted(present, key=self.rank)
        first = ranked[0] if ranked else ""
        second = next((source for source in ranked if vendor(source) != vendor(first)), None)
        return ((first, second),) if second else ()

    def fingerprint(self, pairs: tuple[Pair, ...]) -> str:
        """Equal texts compare the same with the same tolerances."""
        allowed = self.tolerance
        compared = ";".join(",".join(pair) for pair in pairs)
        return f"{compared} {allowed.close_bps}/{allowed.volume_percent}/{allowed.no_auction_percent}"

    @cached_property
    def digest(self) -> str:
        """Equal texts judge alike."""
        return f"{crc32(repr(self).encode()):08x}"
