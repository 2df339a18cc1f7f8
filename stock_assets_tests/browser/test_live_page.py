"""The page of what happens now, in headless Chromium, over a real broker: what is live is called so, and nothing else is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from selenium import webdriver

from stock_assets.domain.messages import Tick, instant
from stock_assets.settings.kafka import Broker
from stock_assets.topic.publish import Publisher
from stock_assets.topic.topics import create_topics
from stock_assets_tests.browser.chromium import (
    CHROMIUM,
    DRIVER,
    chromium,
    complaints,
    dashboard,
    picture,
    wait_for,
    wait_for_text,
)

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver on this machine")

FEEDS = "document.querySelector('#feeds')"
LIVE = r"/\blive\b/i.test(document.body.innerText)"
NOT_LIVE_WITHIN_S = 10.0


class Feed(threading.Thread):
    """Ten ticks a second of two symbols, whose trades are ``behind_s`` old, until it is stopped."""

    def __init__(self, broker: Broker, source: str, behind_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._publisher, self._source, self._behind_s = Publisher(broker), source, behind_s
        self._stopped = threading.Event()
        self.sent = 0

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            at = instant(datetime.now(UTC)) - round(self._behind_s * 1e6)
            for number, symbol in enumerate(("SIM0", "<b>SIM1</b>")):
                self._publisher.send(
                    Tick(symbol=symbol, event_time=at, price=100.0 + number + self.sent % 5, currency="USD",
                         source=self._source, event_id=f"{self._source}/{at}/{symbol}", size=100)
                )  # fmt: skip
            self._publisher.flush()
            self.sent += 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self._publisher.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as running:
        yield running


@pytest.fixture
def address(kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    create_topics(kafka, 2)
    with dashboard(tmp_path, str(tmp_path / "lake")) as running:
        yield running


def test_a_feed_is_live_until_it_stops(browser: webdriver.Chrome, address: str, kafka: Broker) -> None:
    feed = Feed(kafka, "simulator")
    feed.start()
    try:
        browser.get(f"{address}/live")
        wait_for_text(browser, "simulator: live", "SIM0", "fictional")
        wait_for(browser, f"Number({FEEDS}?.dataset.age) < 1.0", "a price that is drawn within a second")
        ages = []
        for _ in range(20):
            ages.append(float(browser.execute_script(f"return {FEEDS}.dataset.age")))
            time.sleep(0.25)
        print(f"age at draw: median {sorted(ages)[10]:.2f} s, p95 {sorted(ages)[18]:.2f} s")
        assert "<b>SIM1</b>" in browser.execute_script("return document.body.innerText")
        picture(browser, "live")
    finally:
        feed.stop()
    stopped = time.monotonic()
    wait_for(browser, f"!{LIVE}", "that nothing is live any more")
    assert time.monotonic() - stopped < NOT_LIVE_WITHIN_S
    text = browser.execute_script(f"return {FEEDS}.innerText")
    assert "silent" in text or "market closed" in text
    assert complaints(browser, address) == []


def test_delayed_ticks_are_never_live(browser: webdriver.Chrome, address: str, kafka: Broker) -> None:
    feed = Feed(kafka, "delayed_vendor", behind_s=900)
    feed.start()
    try:
        browser.get(f"{address}/live")
        wait_for_text(browser, "delayed_vendor: delayed by 15 min")
        assert not browser.execute_script("return /delayed_vendor: live/.test(document.body.innerText)")
    finally:
        feed.stop()
