"""names and texts -> settings of reconciliation.

Belongs here: which sources are compared, how much they may differ, and what follows when they do.
Does not belong here: comparing them (``domain.reconciliation``), and the environment (``settings``).
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.reconciliation import Pair, Tolerance
from stock_assets.setting_values import Values


class QualitySettings(Values):
    """Settings of what is judged."""

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Sources to compare, ``first,second``, several pairs apart by ``;``; none named: the two most trusted vendors.

        Raises:
            PermanentError: not two different names.
        """
        found = []
        for text in self.text("RECONCILE").split(";"):
            names = [name.strip() for name in text.split(",") if name.strip()]
            if not names:
                continue
            if len(set(names)) != 2 or len(names) != 2:
                raise PermanentError(f"RECONCILE must name two sources, as yahoo,alpha_vantage, not {text.strip()!r}")
            found.append((names[0], names[1]))
        return tuple(dict.fromkeys(found))

    @cached_property
    def tolerance(self) -> Tolerance:
        """How much close (in 1/10000) and volume (in percent) may differ.

        Raises:
            PermanentError: one of them is below 0.
        """
        return Tolerance(
            close_bps=_tolerated("RECONCILE_CLOSE_BPS", self.number("RECONCILE_CLOSE_BPS", 5)),
            volume_percent=_tolerated("RECONCILE_VOLUME_PERCENT", self.number("RECONCILE_VOLUME_PERCENT", 5)),
            no_auction_percent=_tolerated(
                "RECONCILE_NO_AUCTION_PERCENT", self.number("RECONCILE_NO_AUCTION_PERCENT", 30)
            ),
        )

    @cached_property
    def require_agreement(self) -> bool:
        """Whether metrics leave out the bars of a symbol and session about which the vendors disagree."""
        return self.choice("REQUIRE_AGREEMENT", ("false", "true")) == "true"


def _tolerated(name: str, value: float) -> Decimal:
    if not value >= 0:
        raise PermanentError(f"{name} must not be below 0, as {value} is")
    return Decimal(str(value))
