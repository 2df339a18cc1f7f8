"""Clients that were not made leave no thread behind."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.kafka import Broker
from stock_assets.topic.clients import connected


@pytest.mark.parametrize("make", [KafkaConsumer, KafkaProducer, KafkaAdminClient])
def test_no_thread_is_left_when_no_broker_answers(make: Callable[..., Any]) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ServiceUnavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        connected(make, Broker("127.0.0.1:1"), bootstrap_timeout_ms=200)
    assert not [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
