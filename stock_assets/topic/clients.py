"""broker -> clients of kafka-python that are connected.

Belongs here: making one, and leaving no thread and no socket behind when no broker answers: a service that waits for its
broker makes one after the other. Does not belong here: what clients are asked, and librdkafka's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.kafka import Broker
from stock_assets.topic.refusal import raise_if_refused

Client = TypeVar("Client")


def connected(make: Callable[..., Client], broker: Broker, **options: Any) -> Client:
    """A client of the broker.

    Raises:
        PermanentError: the broker refuses the login, or one side the other's certificate.
        ServiceUnavailable: no broker answers.
    """
    from kafka.errors import KafkaError
    from kafka.net.compat import KafkaNetClient

    raise_if_refused(broker)
    begun: list[KafkaNetClient] = []

    def network(**given: Any) -> KafkaNetClient:
        begun.append(KafkaNetClient(**given))
        return begun[-1]

    try:
        return make(**broker.kafka_python(), **options, kafka_client=network)
    except BaseException as broken:
        for each in begun:  # whose thread goes on though the client was not made
            each.close()
        if isinstance(broken, KafkaError):
            raise ServiceUnavailable(f"no Kafka broker answers at {broker} ({broken})") from broken
        raise
