"""an embedded service that somebody needs -> running.

Belongs here: what `dagster dev` alone relies on: services start when they are first used, and the platform's own daemon and
web server give way to those that it brings.
Does not belong here: starting (``services``), and what needs a service (the resources).
"""

from __future__ import annotations

import logging

from stock_assets.local import readiness
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings

GIVES_WAY = ("dagster-webserver", "dagster-daemon")
log = logging.getLogger(__name__)


def ensure(settings: Settings, name: str) -> None:
    """Start the embedded service ``name`` unless it answers; within a supervised process that is the supervisor's affair.

    Raises:
        PermanentError: something must be changed first, say a taken port; the text says what.
        ServiceUnavailable: it did not come up.
    """
    if settings.local.service or readiness.listens(settings, name):
        return
    log.warning("%s does not run: starting it", name)
    Services(settings, lambda line: log.warning("%s", line)).up([name])


def give_way(settings: Settings) -> None:
    """Where `dagster dev` has begun, stop the platform's daemon and web server: two daemons would do everything twice."""
    if not settings.local.dagster_dev or settings.local.service:
        return
    stopped = Services(settings).stop(GIVES_WAY)
    if stopped:
        log.warning(
            "stopped %s, since `dagster dev` brings its own; `stock-assets up` brings them back", " and ".join(stopped)
        )
