"""settings -> alerts, until stopped.

Belongs here: the loop that follows observations and sends, with the settings of now.
Does not belong here: each of its parts (``watch``, ``sender``, ``channel``).

It stands outside Dagster and asks no service: that the daemon, a database or the collector died is told, too.
"""

from __future__ import annotations

import logging
import threading
import time

from stock_assets.domain.errors import StockAssetsError
from stock_assets.observability.alerting.channel import send
from stock_assets.observability.alerting.message import Message
from stock_assets.observability.alerting.sender import Sender
from stock_assets.observability.alerting.store import Store, file_of
from stock_assets.observability.alerting.watch import Watch
from stock_assets.observability.kept import file_of as observed_file
from stock_assets.settings.platform import Settings

log = logging.getLogger(__name__)
EVERY_S = 3.0


def page(settings: Settings) -> str:
    """Address of the page that shows all facts."""
    return f"http://127.0.0.1:{settings.local.dashboard_port}/health"


class Alerts:
    """Follows what the collector keeps, and sends what turns."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        store = Store(file_of(settings))
        every_s = settings.dashboard.collect_every_s
        self._watch = Watch(observed_file(settings), store, every_s, time.monotonic, time.time)
        self._sender = Sender(store, page(settings), self._send, time.monotonic, time.time)

    def work(self) -> None:
        """Follow what is new, and send what waits."""
        try:
            self._settings = self._settings.now()
            alerts = self._settings.alerts
        except StockAssetsError as broken:
            log.warning("%s; the settings of before stay", broken)
            alerts = self._settings.alerts
        self._watch.look(alerts.remind_hours * 3600, tells=bool(alerts.url))
        if alerts.url:
            self._sender.work()

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; what fails is logged, and comes again."""
        while not stop.wait(EVERY_S):
            try:
                self.work()
            except Exception:
                log.exception("This look failed; the next one comes.")

    def _send(self, message: Message) -> str:
        return send(self._settings.alerts.url, message)
