"""Records that no parser can take, in each topic, by each reader: they are in quarantine, and the topic goes on."""

import uuid
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from stock_assets.domain.messages import Action, Bar, Message, Tick, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.raw.completeness import prove
from stock_assets.raw.redrive import redrive
from stock_assets.settings.kafka import Broker
from stock_assets.topic.topics import TOPICS, Topic
from stock_assets_tests.services.landing_records import create, land_all, send

pytestmark = pytest.mark.usefixtures("either_reader")

DAY = date(2013, 10, 7)
NOON = instant(session(DAY).open_time)
SAID: dict[str, Any] = {"symbol": "IBM", "currency": "USD", "source": "yahoo"}
PRICES = dict.fromkeys(("open", "high", "low", "close"), 182.0)
GOOD: dict[str, Message] = {
    "ticks": Tick(event_time=NOON, price=182.0, event_id="1", **SAID),
    "bars": Bar(
        interval="1d",
        trading_day=DAY,
        start_time=NOON,
        volume=1,
        price_basis="as_traded",
        final=True,
        known_at=NOON,
        **PRICES,
        **SAID,
    ),
    "actions": Action(ex_date=DAY, kind="dividend", value=0.95, known_at=NOON, **SAID),
}
FRAME = b"\0\0\0\0\x07"


@pytest.mark.parametrize("stage", sorted(TOPICS))
def test_a_record_that_a_parser_fails_on_stops_no_topic(
    kafka: Broker, admin: KafkaAdminClient, lake: str, stage: str
) -> None:
    topic: Topic = replace(TOPICS[stage], name=create(admin, f"{stage}-{uuid.uuid4().hex[:8]}").name)
    good = encode(GOOD[stage])
    deep = good[:-1] + b',"x":' + b"[" * 1000
    unreadable = [deep, FRAME + deep, b'{"x":' + b"[" * 60_000, b"[" * 2000, deep + b"]" * 1000 + b"}", b"\xff", None]
    records = [record for bad in unreadable for record in (good, bad)] + [good]
    send(kafka, topic, list(records), partition=0)
    (landing,) = land_all(lake, kafka, topic)
    assert (landing.accepted, landing.rejected) == (len(unreadable) + 1, len(unreadable))
    send(kafka, topic, [good], partition=0)
    assert [landing.accepted for landing in land_all(lake, kafka, topic)] == [1]
    assert [(part.accepted, part.rejected) for part in redrive(lake, topic)] == [(0, len(unreadable))]
    assert all(proof.holds for proof in prove(lake, topic))
