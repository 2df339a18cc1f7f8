"""topics -> raw tables, without end.

Belongs here: landing again and again in one process, for rates at which a run each time would be too slow.
Does not belong here: how a range is landed (``commit``); what is reported to whom (the caller's).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing

from stock_assets.domain import sessions
from stock_assets.domain.errors import PermanentError, ServiceUnavailable, TransientError
from stock_assets.domain.universe import Universe
from stock_assets.landing.commit import Landing, land
from stock_assets.landing.prepare import Limits
from stock_assets.settings.kafka import Broker
from stock_assets.topic.leadership import Leadership
from stock_assets.topic.topics import TICKS, Topic, admin_of, at, state_of

LONGEST_PAUSE_S = 60.0

log = logging.getLogger(__name__)


def follow(
    lake_root: str,
    broker: Broker,
    topics: Iterable[Topic],
    limits: Limits,
    every_s: float,
    stop: threading.Event,
    landed: Callable[[Topic, Landing], None],
    universe: Universe | None = None,
) -> None:
    """Land what the topics hold, every ``every_s`` seconds, until ``stop`` is set; stand by while another process does.

    A fault that may pass is waited out, ever longer. A topic that must not be landed by itself any more (created again,
    records lost) is said and left alone; the others go on.

    Raises:
        PermanentError: none of the topics can be landed any more; the text says why of each.
    """
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    left, faults = list(topics), 0
    broken: list[str] = []

    def look(admin: KafkaAdminClient) -> None:
        """Land each topic; a fault of one is raised after the others had their turn."""
        passing: TransientError | None = None
        for topic in list(left):
            try:
                for landing in land(lake_root, broker, topic, limits, universe, state_of(admin, topic)):
                    landed(topic, landing)
                    leadership.held()
            except TransientError as fault:
                passing = fault
            except KafkaError as fault:
                passing = ServiceUnavailable(f"{topic.name}: the broker at {broker} answers {fault}")
            except PermanentError as fault:
                log.error("%s is left alone from now on: %s", topic.name, fault)
                left.remove(topic)
                broken.append(f"{topic.name}: {fault}")
        if passing is not None:
            raise passing
        if not left:
            raise PermanentError(f"nothing can be landed any more. {'; '.join(broken)}")

    _import()
    with closing(Leadership(broker, at(broker, TICKS))) as leadership:
        while not stop.is_set():
            try:
                # One connection for all looks: opening one takes longer than all that is asked.
                with admin_of(broker) as admin:
                    while not stop.is_set():
                        began = time.monotonic()
                        if leadership.held():
                            look(admin)
                            faults = 0
                        stop.wait(max(0.0, every_s - (time.monotonic() - began)))
            except TransientError as fault:
                faults += 1
                pause = min(LONGEST_PAUSE_S, 2.0**faults) * random.uniform(0.5, 1.0)
                log.warning("%s; again in %.0f s", fault, pause)
                stop.wait(pause)


def _import() -> None:
    """What the first landing would import, and records would wait for, is imported before there is any."""
    import confluent_kafka  # noqa: F401
    import deltalake  # noqa: F401
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    sessions.calendar()
