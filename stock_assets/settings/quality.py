"""names and texts -> settings of reconciliation.

Belongs here: which sources are compared, how much they may differ, and what follows when they do.
Does not belong here: comparing them (``domain.reconciliation``), and the environment (``platform``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from stock_assets.domain.reconciliation import Pair, Tolerance
from stock_assets.settings.owner import Owner, setting


def _pairs(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    found = []
    for part in text.split(";"):
        names = [name.strip() for name in part.split(",") if name.strip()]
        if not names:
            continue
        if len(set(names)) != 2 or len(names) != 2:
            raise ValueError(f"must name two sources, as yahoo,alpha_vantage, not {part.strip()!r}")
        found.append((names[0], names[1]))
    return tuple(dict.fromkeys(found))


class QualitySettings(Owner):
    """What is judged, and how strictly."""

    pairs: Annotated[tuple[Pair, ...], BeforeValidator(_pairs)] = setting(
        "RECONCILE",
        (),
        "sources of daily bars to compare, as `yahoo,alpha_vantage`; several pairs apart by `;`",
        shown="the two most trusted vendors that have bars",
        example="yahoo,alpha_vantage",
    )
    close_bps: Decimal = setting(
        "RECONCILE_CLOSE_BPS", Decimal(5), "largest difference of the close that is none, in 1/10000", ge=0
    )
    volume_percent: Decimal = setting(
        "RECONCILE_VOLUME_PERCENT", Decimal(5), "largest difference of the volume that is none, in percent", ge=0
    )
    no_auction_percent: Decimal = setting(
        "RECONCILE_NO_AUCTION_PERCENT", Decimal(30), "the same where a bar omits the auctions", ge=0
    )
    require_agreement: bool = setting(
        "REQUIRE_AGREEMENT",
        False,
        "`true`: metrics and warehouse leave out a symbol and session about which the vendors disagree",
        shown="`false`",
    )

    @property
    def tolerance(self) -> Tolerance:
        """How much close (in 1/10000) and volume (in percent) may differ."""
        return Tolerance(
            close_bps=self.close_bps,
            volume_percent=self.volume_percent,
            no_auction_percent=self.no_auction_percent,
        )
