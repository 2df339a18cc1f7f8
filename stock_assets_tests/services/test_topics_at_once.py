"""Several publishers start at once on a new broker: each finds the topics there, whoever created them."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from kafka.admin import KafkaAdminClient

from stock_assets.settings.kafka import Broker, TopicNames
from stock_assets.topic.topics import TOPICS, create_topics


def test_topics_that_another_process_creates_meanwhile_are_no_fault(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {stage: f"{topic.name}-{uuid.uuid4().hex[:8]}" for stage, topic in TOPICS.items()}
    broker = replace(kafka, topics=TopicNames(**names))
    looked, look = Barrier(3), KafkaAdminClient.list_topics

    def together(admin: KafkaAdminClient) -> list[str]:
        found: list[str] = look(admin)
        looked.wait(60)  # nobody creates before all have seen that there is nothing
        return found

    monkeypatch.setattr(KafkaAdminClient, "list_topics", together)
    with ThreadPoolExecutor(3) as threads:
        created = [name for names in threads.map(lambda _: create_topics(broker, 1), range(3)) for name in names]
    assert sorted(created) == sorted(names.values())
