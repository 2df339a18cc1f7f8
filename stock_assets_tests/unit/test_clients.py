"""Clients that were not made leave nothing behind."""

import gc
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from stock_assets.broker import Broker
from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.topic.clients import connected


@pytest.mark.parametrize("make", [KafkaConsumer, KafkaProducer, KafkaAdminClient])
def test_no_thread_and_no_socket_is_left_when_no_broker_answers(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # what is logged would be kept for the test

    def left() -> tuple[int, int]:
        gc.collect()  # sockets of refused connections are in circles
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def fail() -> None:
        with pytest.raises(ServiceUnavailable, match="no Kafka broker answers at 127.0.0.1:1"):
            connected(make, Broker("127.0.0.1:1"), bootstrap_timeout_ms=200)

    fail()
    before = left()
    for _ in range(3):
        fail()
    assert left() == before
