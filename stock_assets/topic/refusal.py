"""a broker that is not reached -> whether it refuses us, and what to mend.

Belongs here: telling a wrong login or certificate from a broker that is away. kafka-python tries again in both cases, until its
time is up (10 s to 30 s), and then knows no reason: so this is asked before a client of it is made.
Does not belong here: brokers without encryption and login, which refuse nobody.
"""

from __future__ import annotations

import time
from typing import Any

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.kafka import Broker

_ASKED_S = 8.0


def raise_if_refused(broker: Broker) -> None:
    """Return when the broker takes us, or does not answer at all.

    Raises:
        PermanentError: it refuses the login, or one side the other's certificate; the text names the settings.
    """
    if broker.protocol == "PLAINTEXT":
        return
    from confluent_kafka import KafkaError, KafkaException, Producer

    heard: list[KafkaError] = []
    options: dict[str, Any] = {**broker.librdkafka(), "error_cb": heard.append, "log_level": 0}
    client, end = Producer(options), time.monotonic() + _ASKED_S
    while time.monotonic() < end:
        try:
            client.list_topics(timeout=0.5)
        except KafkaException:
            client.poll(0)  # hears of the connection's errors
        else:
            return
        for error in heard:
            if error.code() == KafkaError._AUTHENTICATION:
                raise PermanentError(
                    f"the broker at {broker} refuses the login of {broker.username!r}: check KAFKA_SASL_USERNAME, "
                    "KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM"
                )
            if error.code() == KafkaError._SSL:
                raise PermanentError(
                    f"no TLS connection to the broker at {broker}: check KAFKA_SSL_CA_FILE and, where the broker asks for a "
                    f"certificate, KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE ({error.str()})"
                )
