"""names and texts -> settings of vendors.

Belongs here: keys, addresses, limits and habits of the vendors that data is fetched from, and which publishers run.
Does not belong here: asking them (``sources``), and the environment (``settings``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from stock_assets.domain.errors import PermanentError
from stock_assets.setting_values import Values

BarLabels = Literal["start", "end"]
"""Which end of its minute a vendor labels a bar with."""

PUBLISHERS = ("yahoo-stream", "yahoo-quotes", "alpha-vantage", "simulator")
"""What can run until it is stopped, as ``stock-assets produce`` names it."""


@dataclass(frozen=True)
class AlphaVantageSettings:
    """How Alpha Vantage is asked; ``requests_per_day`` 0 means without a limit, ``quote_every_s`` is per symbol.

    ``minutes``: the service fetches minute bars, too.
    """

    key: str = field(repr=False)
    url: str
    bar_labels: BarLabels
    requests_per_day: int
    requests_per_second: float
    quote_every_s: float
    full_history: bool
    minutes: bool
    timeout_s: float = 20.0


class Vendors(Values):
    """Settings of each vendor."""

    @cached_property
    def history_sources(self) -> tuple[str, ...]:
        """Vendors whose daily history is fetched: ``yahoo``, ``alpha_vantage``.

        Raises:
            PermanentError: another name is among them.
        """
        names = tuple(name.lower() for name in self.names("HISTORY_SOURCES")) or ("yahoo",)
        if strange := set(names) - {"yahoo", "alpha_vantage"}:
            raise PermanentError(f"HISTORY_SOURCES: {', '.join(sorted(strange))} is neither yahoo nor alpha_vantage")
        return names

    @cached_property
    def publishers(self) -> tuple[str, ...]:
        """Publishers that run as services beside the embedded ones.

        Raises:
            PermanentError: a name is none of ``PUBLISHERS``.
        """
        names = tuple(dict.fromkeys(name.lower() for name in self.names("PUBLISHERS")))
        if strange := [name for name in names if name not in PUBLISHERS]:
            raise PermanentError(f"PUBLISHERS: there is no {strange[0]!r}; there are {', '.join(PUBLISHERS)}")
        return names

    @cached_property
    def alpha_vantage(self) -> AlphaVantageSettings:
        labels = self.choice("ALPHA_VANTAGE_BAR_LABELS", ("start", "end"))
        return AlphaVantageSettings(
            key=self.text("ALPHA_VANTAGE_API_KEY"),
            url=self.text("ALPHA_VANTAGE_URL", "https://www.alphavantage.co").rstrip("/"),
            bar_labels="start" if labels == "start" else "end",
            requests_per_day=self.whole("ALPHA_VANTAGE_REQUESTS_PER_DAY", 25),
            requests_per_second=self.number("ALPHA_VANTAGE_REQUESTS_PER_SECOND", 1),
            quote_every_s=self.number("ALPHA_VANTAGE_QUOTE_EVERY_S", 60),
            full_history=self.choice("ALPHA_VANTAGE_HISTORY", ("compact", "full")) == "full",
            minutes=self.choice("ALPHA_VANTAGE_MINUTES", ("false", "true")) == "true",
        )

    @cached_property
    def yahoo_stream_url(self) -> str:
        """Address of Yahoo's stream."""
        return self.text("YAHOO_STREAM_URL", "wss://streamer.finance.yahoo.com/?version=2")

    @cached_property
    def yahoo_proxy(self) -> str:
        """HTTP proxy for Yahoo; empty for none."""
        return self.text("YAHOO_PROXY")

    @cached_property
    def yahoo_ca_bundle(self) -> str:
        """File with the certificates that proxy is signed by; empty for the usual ones."""
        return self.text("YAHOO_CA_BUNDLE")
