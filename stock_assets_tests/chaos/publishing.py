"""ticks -> the topic, at a steady rate, whatever happens to the topic meanwhile.

Belongs here: the producer of a soak, its thread, and what it knows to be sent or refused.
Does not belong here: the faults, and who may publish when (``soak``).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Producer

from stock_assets.domain.messages import Tick, encode
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import TICKS
from stock_assets_tests.chaos.drain import LONGEST_S


class Publishing:
    """Sends each tick once, then random ones again until it is told to finish.

    Attributes:
        sent: how often each event was sent, by its id.
        refused: what the broker said of records that it did not take.
        paused: held while nobody else may publish.
    """

    def __init__(self, broker: Broker, ticks: Sequence[Tick], rate: float) -> None:
        self.sent: Counter[str] = Counter()
        self.refused: list[str] = []
        # Reentrant: between the last landing and a fault that costs records, nobody else may publish.
        self.paused = threading.RLock()
        self.producer = Producer({**broker.librdkafka(), "enable.idempotence": True, "linger.ms": 5, "log_level": 2})
        self._ticks, self._rate = ticks, rate
        self._unsent: list[Tick] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._publish_all, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Send what is left without waiting, and return when it is handed over."""
        self._done.set()
        self._thread.join()

    def send(self, tick: Tick) -> None:
        self.producer.produce(TICKS.name, encode(tick), tick.symbol, on_delivery=partial(self._delivered, tick))
        self.producer.poll(0)
        self.sent[tick.event_id] += 1

    def flush(self) -> None:
        """Return when the broker has everything that was handed over."""
        assert self.producer.flush(LONGEST_S) == 0
        while self._unsent:
            self.send(self._unsent.pop())
            assert self.producer.flush(LONGEST_S) == 0

    def partitions(self) -> int:
        """Partitions of the topic as the producer knows it after asking."""
        return len(self.producer.list_topics(TICKS.name, 5).topics[TICKS.name].partitions)

    def __str__(self) -> str:
        return f"not yet acknowledged: {len(self.producer)}; refused: {self.refused[:3]}"

    def _publish_all(self) -> None:
        began = time.monotonic()
        for number, tick in enumerate(self._ticks):
            ahead = number / self._rate - (time.monotonic() - began)
            if ahead > 0:
                self._done.wait(ahead)  # the end of the soak hurries it up
            with self.paused:
                self.send(tick)
        again = random.Random(len(self._ticks))
        while not self._done.wait(0.1):  # the faults still need something to land
            with self.paused:
                self.send(again.choice(self._ticks))

    def _delivered(self, tick: Tick, error: Any, message: Any) -> None:
        if error is not None and error.code() == KafkaError._UNKNOWN_PARTITION:
            # the topic was created again with fewer partitions: it was never sent, as producers find out themselves
            self.sent[tick.event_id] -= 1
            self._unsent.append(tick)
        elif error is not None:
            self.refused.append(str(error))
