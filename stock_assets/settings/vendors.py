"""names and texts -> settings of vendors and publishers.

Belongs here: keys, addresses, limits and habits of the vendors that data is fetched from, and which publishers run.
Does not belong here: asking them (``sources``), and the environment (``platform``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import field_validator

from stock_assets.settings.owner import Lower, Names, Owner, setting

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


class VendorSettings(Owner):
    """Vendors that are asked, and what publishes from them."""

    history_sources: Names = setting(
        "HISTORY_SOURCES",
        ("yahoo",),
        "vendors that `sources/history` asks: `yahoo`, `alpha_vantage`; set, it is asked after each close and hourly",
    )
    publishers: Names = setting(
        "PUBLISHERS",
        (),
        "what `up` runs beside the services: `yahoo-stream`, `yahoo-quotes`, `alpha-vantage`, `simulator` (100 ticks a second)",
        shown="none",
        example="yahoo-stream,alpha-vantage",
    )
    yahoo_proxy: str = setting("YAHOO_PROXY", "", "HTTP proxy for Yahoo", shown="none")
    yahoo_ca_bundle: str = setting("YAHOO_CA_BUNDLE", "", "PEM file of what that proxy is signed by", shown="none")
    yahoo_stream_url: str = setting(
        "YAHOO_STREAM_URL", "wss://streamer.finance.yahoo.com/?version=2", "Yahoo's stream", shown="Yahoo's own"
    )
    alpha_vantage_key: str = setting(
        "ALPHA_VANTAGE_API_KEY", "", "key, never shown anywhere; without one it is not asked", shown="none", repr=False
    )
    alpha_vantage_url: str = setting(
        "ALPHA_VANTAGE_URL", "https://www.alphavantage.co", "its address", shown="Alpha Vantage's own"
    )
    alpha_vantage_requests_per_day: int = setting(
        "ALPHA_VANTAGE_REQUESTS_PER_DAY",
        25,
        "what the key's plan allows, kept across restarts and processes; 0 for no limit",
        ge=0,
    )
    alpha_vantage_requests_per_second: float = setting(
        "ALPHA_VANTAGE_REQUESTS_PER_SECOND", 1.0, "likewise, within a day", ge=0
    )
    alpha_vantage_quote_every_s: float = setting(
        "ALPHA_VANTAGE_QUOTE_EVERY_S", 60.0, "seconds between two quotes of a symbol, where the limits allow", ge=0
    )
    alpha_vantage_bar_labels: Annotated[BarLabels, Lower] = setting(
        "ALPHA_VANTAGE_BAR_LABELS",
        "start",
        "whether a minute bar is labelled by its `start` or `end`; checked against the opening volume",
    )
    alpha_vantage_minutes: bool = setting(
        "ALPHA_VANTAGE_MINUTES",
        False,
        "`true`: the service fetches each session's minute bars, too (a paid plan); after 20:20 New York time, one request "
        "per symbol",
        shown="`false`",
    )
    alpha_vantage_history: Annotated[Literal["compact", "full"], Lower] = setting(
        "ALPHA_VANTAGE_HISTORY",
        "compact",
        "`compact` fetches the newest 100 daily bars, `full` all of them (a paid plan)",
    )

    @field_validator("history_sources")
    @classmethod
    def _known_vendors(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower() for name in names)
        if strange := set(names) - {"yahoo", "alpha_vantage"}:
            raise ValueError(f": {', '.join(sorted(strange))} is neither yahoo nor alpha_vantage")
        return names

    @field_validator("publishers")
    @classmethod
    def _known_publishers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name.lower() for name in names))
        if strange := [name for name in names if name not in PUBLISHERS]:
            raise ValueError(f": there is no {strange[0]!r}; there are {', '.join(PUBLISHERS)}")
        return names

    @property
    def alpha_vantage(self) -> AlphaVantageSettings:
        """How Alpha Vantage is asked."""
        return AlphaVantageSettings(
            key=self.alpha_vantage_key,
            url=self.alpha_vantage_url.rstrip("/"),
            bar_labels=self.alpha_vantage_bar_labels,
            requests_per_day=self.alpha_vantage_requests_per_day,
            requests_per_second=self.alpha_vantage_requests_per_second,
            quote_every_s=self.alpha_vantage_quote_every_s,
            full_history=self.alpha_vantage_history == "full",
            minutes=self.alpha_vantage_minutes,
        )
