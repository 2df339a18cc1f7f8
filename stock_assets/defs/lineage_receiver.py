"""an event of OpenLineage -> the receiver that the settings name.

Belongs here: one attempt to send, and why it was in vain, in a sentence without address or key.
Does not belong here: trying again (``lineage_sensor``), the events (``lineage_events``).

The transport of OpenLineage's client is used, not the client itself: that reads settings of its own from the environment and from
files, by which variables of the environment or the repository's address, secrets included, could come into events.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

TIMEOUT_S = 5.0


class Receiver:
    """A connection to it, closed at the end.

    Raises:
        PermanentError: OPENLINEAGE_URL is no address.
    """

    def __init__(self, settings: Settings) -> None:
        from openlineage.client.transport.http import (
            ApiKeyTokenProvider,
            HttpConfig,
            HttpSslContextConfig,
            HttpTransport,
            TokenProvider,
        )

        key, authorities = settings.lineage.api_key, settings.local.ca_bundle
        self._transport = HttpTransport(
            HttpConfig(
                url=settings.lineage.address(),
                timeout=TIMEOUT_S,
                auth=ApiKeyTokenProvider({"apiKey": key}) if key else TokenProvider({}),
                # whoever asks again does so much later
                retry={"total": 0},
                ssl_context=HttpSslContextConfig(ca_cert_path=authorities) if authorities else None,
            )
        )

    def send(self, event: RunEvent) -> str:
        """Send; returns why it was not taken, empty when it was."""
        import requests

        try:
            answer = self._transport.emit(event)
        except requests.HTTPError as refused:
            return f"the receiver of OpenLineage answered {getattr(refused.response, 'status_code', 'an error')}"
        except requests.Timeout:
            return f"the receiver of OpenLineage did not answer within {TIMEOUT_S:.0f} s"
        except requests.RequestException as away:
            return f"the receiver of OpenLineage cannot be reached: {type(away).__name__}"
        if answer.history:  # a POST that is redirected becomes a GET, and whatever answers that has taken nothing
            return "the receiver of OpenLineage is elsewhere: it redirects; name its own address in OPENLINEAGE_URL"
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()
