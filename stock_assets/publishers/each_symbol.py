"""symbols -> what a vendor has of each.

Belongs here: asking for one symbol after the other, so that the failure of one is told and the next is asked all the same.
Does not belong here: how a vendor is asked (``sources``), and what is done with its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from stock_assets.domain.errors import (
    BadRecord,
    NothingFetched,
    ServiceUnavailable,
    StockAssetsError,
    UnknownSymbol,
    UnsupportedExchange,
    UnusableAnswer,
)
from stock_assets.sources.fetched import Fetched

OF_ONE_SYMBOL = (BadRecord, NothingFetched, UnknownSymbol, UnsupportedExchange, UnusableAnswer)
"""Failures that say nothing of other symbols."""

IN_A_ROW = 5
"""Unusable answers after which the vendor is the cause, and no longer the symbols."""


class UnusableInARow:
    """Counts unusable answers; any other answer resets the count."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, failed: StockAssetsError | None) -> None:
        """Take an answer into account: its failure, or None for data.

        Raises:
            ServiceUnavailable: it is one too many.
        """
        self._count = self._count + 1 if isinstance(failed, UnusableAnswer) else 0
        if self._count == IN_A_ROW:
            self._count = 0
            raise ServiceUnavailable(f"{failed}; so it was for the {IN_A_ROW - 1} symbols before") from failed


def fetch_each(symbols: Iterable[str], fetch: Callable[[str], Fetched]) -> Iterator[tuple[str, Fetched]]:
    """Each symbol and its answer; of a symbol that failed, ``refused`` says why and there are no messages.

    Raises:
        VendorThrottled, ServiceUnavailable, InvalidKey, PremiumOnly: the vendor answers no more, whatever is asked.
    """
    unusable = UnusableInARow()
    for symbol in symbols:
        failed: StockAssetsError | None = None
        try:
            fetched = fetch(symbol)
        except OF_ONE_SYMBOL as broken:
            failed, fetched = broken, Fetched(refused=[str(broken)])
        unusable.note(failed)
        yield symbol, fetched
