"""ALERTS_URL, what is kept of alerts -> a fact about telling.

Belongs here: whether anybody is told, and whether the channel takes what is sent.
Does not belong here: sending (``alerting``). What cannot be sent is no alert: nobody would get it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.observability.alerting.channel import URL, wrong_address
from stock_assets.observability.alerting.store import file_of, queued, trouble
from stock_assets.observability.fact import Fact, duration
from stock_assets.settings.platform import Settings

ALERTS = "alerts"


def channel_facts(settings: Settings) -> Iterator[Fact]:
    """One fact."""
    url, file = settings.alerts.url, file_of(settings)
    if not url:
        hint = f"Set {URL} to be told, then `stock-assets alerts test`."
        yield Fact(ALERTS, "", False, "nobody is told when something turns wrong", hint)
        return
    if wrong := wrong_address(url):
        cure = "Mend it, then `stock-assets alerts test`; https://github.com/caronc/apprise/wiki lists the addresses."
        yield Fact(ALERTS, "", True, wrong, cure)
        return
    try:
        waiting, troubled = len(queued(file)), trouble(file)
    except ServiceUnavailable as broken:
        yield Fact(
            ALERTS,
            "",
            True,
            str(broken),
            "`stock-assets alerts list` reads it; `stock-assets up alerts` makes a missing one.",
        )
        return
    if troubled is None or not waiting:
        yield Fact(ALERTS, "", False, "whoever is to be told has been", "", waiting, "turns")
        return
    text = f"{waiting} turns wait to be sent, for {duration(time.time() - troubled.since)}: {troubled.said}"
    yield Fact(
        ALERTS, "", True, text, "They are sent when it answers; `stock-assets alerts test` tries it.", waiting, "turns"
    )
