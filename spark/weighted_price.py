"""prices and shares of a group -> their volume-weighted price.

Belongs here: adding up prices x shares exactly. Does not belong here: which rows count.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_FRACTION = "decimal(7,6)"
_EXACT = "decimal(37,12)"
"""Of prices x shares below 10**25; beyond it shares are counted whole."""


def weighted_price(price: Column, shares: Column, times: int = 1) -> Column:
    """Aggregate: the sum of price x shares by that of shares; null without shares. Rows without either do not count.

    Decimals, as the sum of doubles would depend on the order in which Spark happens to add them. No product of decimals of
    this size keeps all its digits, so whole shares and fractions are added up apart.

    Args:
        price: DECIMAL with at most 6 places, ``times`` the price.
        shares: DECIMAL(25,6).
    """
    whole = F.floor(shares)
    turnover = F.sum(price * whole)
    of_fractions = F.sum(price * (shares - whole).cast(_FRACTION))
    exact = turnover.try_cast(_EXACT) + of_fractions.cast(_EXACT)
    counted = F.nullif(times * F.sum(F.when(price.isNotNull(), shares)), F.lit(0))
    # divided before one is chosen: a column of both would have the places of the coarser
    return F.coalesce(exact / counted, turnover / counted)
