"""names and texts -> settings of which symbols and sources count.

Belongs here: symbols to ask for and to accept, and whose bars metrics trust.
Does not belong here: the rules of a universe (``domain.universe``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.universe import Universe, default_universe
from stock_assets.settings.lake import absolute
from stock_assets.settings.owner import Names, Owner, Upper, setting


class MarketSettings(Owner):
    """Symbols, and the order of trust among sources."""

    named_symbols: Annotated[Names, Upper] = setting(
        "SYMBOLS",
        (),
        "symbols that publishers ask for, separated by commas",
        shown="those of the universe today",
        example="AAPL,MSFT,GOOGL,AMZN,META,TSLA,NVDA,INTC,JPM,V",
    )
    named_universe: str = setting(
        "UNIVERSE",
        "",
        "symbols whose records are accepted: separated by commas, or a CSV file like `stock_assets/domain/universe.csv` "
        "with the days on which each is traded and renames",
        shown="any (publishers: ten large US stocks)",
        example="AAPL,MSFT",
    )
    bar_sources: Names = setting(
        "BAR_SOURCES",
        ("recording", "yahoo", "alpha_vantage", "simulator", "yahoo_stream_ticks", "yahoo_quotes_ticks"),
        "which source's bar metrics use, most trusted first",
        shown="vendors, then bars built from ticks",
        example="yahoo,alpha_vantage,bokeh",
    )

    def symbols(self, universe: Universe | None) -> Sequence[str]:
        """Symbols that publishers ask for: those named, else those of the universe today."""
        return self.named_symbols or (universe or default_universe()).active(datetime.now(UTC).date())

    def universe(self, home: Path) -> Universe | None:
        """Symbols whose records are accepted, on their days; None for any. Others go into quarantine as ``unknown symbol``.

        Raises:
            PermanentError: the file is not there, or a row of it cannot be read.
        """
        text = self.named_universe
        if not text.lower().endswith(".csv"):
            names = tuple(each.strip().upper() for each in text.split(",") if each.strip())
            return Universe.of_symbols(names) if names else None
        try:
            return Universe.parse(absolute(text, home).read_text(encoding="utf-8-sig"), text)
        except UnicodeDecodeError as broken:
            raise PermanentError(f"UNIVERSE: {text} is not UTF-8: {broken.reason} at byte {broken.start}") from None
        except OSError as broken:
            raise PermanentError(f"UNIVERSE: {text} cannot be read: {broken.strerror}") from broken
