"""settings -> an answer to each scrape, on loopback.

Belongs here: the server, and that a scrape that fails leaves metrics absent. Does not belong here: the metrics (``families``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from stock_assets.domain.errors import PermanentError
from stock_assets.observability.alerting.store import file_of as alerts_file
from stock_assets.observability.alerting.store import queued, standings
from stock_assets.observability.kept import file_of
from stock_assets.observability.metrics.families import families, gauge
from stock_assets.settings.platform import Settings

log = logging.getLogger(__name__)


class Scraped(Collector):
    """Reads what is kept, anew for each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterator[Metric]:
        """The metrics of now; what cannot be read is absent."""
        yield from families(file_of(self._settings), self._settings.dashboard.collect_every_s, time.time())
        try:
            wrong = sum(each.wrong for each in standings(alerts_file(self._settings)).values())
            waiting = len(queued(alerts_file(self._settings)))
        except Exception:
            log.exception("What is kept of alerts is not told.")
            return
        yield gauge("alerts_wrong", "Facts that count as wrong.", wrong)
        yield gauge("alerts_waiting", "Turns of facts that wait to be sent.", waiting)

    def describe(self) -> list[Metric]:
        """Nothing: what there is shows at each scrape."""
        return []


def registry(settings: Settings) -> CollectorRegistry:
    """All metrics, as Prometheus's client collects them."""
    found = CollectorRegistry()
    found.register(Scraped(settings))
    return found


def serve(settings: Settings, address: str, stop: threading.Event) -> None:
    """Answer at METRICS_PORT until ``stop`` is set.

    Raises:
        PermanentError: another program has the port.
    """
    port = settings.local.metrics_port
    try:
        server, thread = start_http_server(port, addr=address, registry=registry(settings))
    except OSError as taken:
        raise PermanentError(
            f"Port {port}, wanted by metrics, cannot be had ({taken.strerror}); set METRICS_PORT to another."
        ) from None
    stop.wait()
    server.shutdown()
    server.server_close()
    thread.join()
