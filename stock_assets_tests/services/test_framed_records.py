"""Records in a schema registry's frame, from the publishers through a broker into the lake, and out of quarantine again."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow.compute as pc
import pytest
from msgspec import structs

from stock_assets.domain.errors import BadRecord, PermanentError
from stock_assets.domain.messages import Tick, encode, json_schema
from stock_assets.domain.universe import Universe
from stock_assets.landing.commit import land
from stock_assets.landing.decode import Decoder
from stock_assets.raw.redrive import redrive
from stock_assets.settings.kafka import Broker, Registry
from stock_assets.topic import publish as publishing
from stock_assets.topic import schema_registry
from stock_assets.topic.consume import RangeReader
from stock_assets.topic.publish import publish
from stock_assets.topic.publish_stream import publish_stream
from stock_assets.topic.topics import Topic, topic_state
from stock_assets_tests.fakes.fake_registry import STORE_FAULT, FakeRegistry, fake_registry
from stock_assets_tests.services.landing_records import holds, land_all, send, stored, tick


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    schema_registry._registered.cache_clear()
    monkeypatch.setattr(schema_registry, "PAUSE_S", 0.0)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")  # a developer's proxy must not be asked for it
    with fake_registry() as running:
        yield running


@pytest.fixture
def framing(kafka: Broker, fake: FakeRegistry, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """The broker with a registry; ticks go to the test's own topic."""
    monkeypatch.setattr(publishing, "topic_of", lambda *_: topic)
    return replace(kafka, registry=Registry(fake.url))


def ends(broker: Broker, topic: Topic) -> dict[int, int]:
    state = topic_state(broker, topic)
    assert state is not None
    return state.end


def sent(broker: Broker, topic: Topic) -> list[bytes | None]:
    """The values of all records of a topic."""
    end = ends(broker, topic)
    reader = RangeReader(broker, topic, dict.fromkeys(end, 0), end)
    try:
        return [value for chunk in reader.chunks() for value in chunk.values]
    finally:
        reader.close()


def test_published_in_frames_landed_proved_and_redriven(
    framing: Broker, fake: FakeRegistry, topic: Topic, lake: str
) -> None:
    publish(framing, (tick(number) for number in range(20)))
    publish(framing, (tick(number) for number in range(20, 40)))
    publish_stream(framing, topic, ((0.0, tick(number)) for number in range(40, 60)))
    assert fake.registrations() == 1
    frame = b"\0" + fake.subjects[f"{topic.name}-value"][0].to_bytes(4, "big")
    assert sorted(sent(framing, topic), key=repr) == sorted((frame + encode(tick(n)) for n in range(60)), key=repr)

    bad: list[bytes | Tick | None] = [frame + b"{bad", b"\0\0", b"\x01" + frame + encode(tick(1)), b"\0" * 9]
    stranger = frame + encode(tick(61)).replace(b'"S5"', b'"NOBODY"')
    send(framing, topic, [*bad, stranger, tick(60)])  # the last one in no frame
    universe = Universe.of_symbols([f"S{number}" for number in range(7)])
    landings = list(land(lake, framing, topic, universe=universe))
    assert [sum(each) for each in zip(*((x.accepted, x.rejected) for x in landings), strict=True)] == [61, 5]
    assert holds(lake, topic)
    rows = stored(lake)
    rejected = rows.filter(pc.is_valid(rows["rejected_because"]))
    reasons = dict(zip(rejected["payload"].to_pylist(), rejected["rejected_because"].to_pylist(), strict=True))
    assert set(reasons) == {*bad, stranger}
    assert reasons[stranger].startswith("unknown symbol: NOBODY")
    assert all(reasons[payload].startswith("bad json") for payload in bad)

    (again,) = redrive(lake, topic, decoder=Decoder(topic))
    assert (again.accepted, again.rejected) == (1, 4)
    assert holds(lake, topic)
    assert "NOBODY" in stored(lake)["symbol"].to_pylist()


def test_nothing_is_published_by_a_schema_that_is_refused(framing: Broker, fake: FakeRegistry, topic: Topic) -> None:
    older = json_schema(Tick)
    del older["$defs"]["Tick"]["properties"]["bid"]
    fake.register(f"{topic.name}-value", older)
    with pytest.raises(PermanentError, match=f"{topic.name}-value as incompatible"):
        publish(framing, [tick(1)])
    with pytest.raises(PermanentError, match=f"{topic.name}-value as incompatible"):
        publish_stream(framing, topic, [(0.0, tick(1))])
    assert sum(ends(framing, topic).values()) == 0


def test_a_bad_record_is_refused_before_the_registry_is_asked(framing: Broker, fake: FakeRegistry) -> None:
    with pytest.raises(BadRecord, match="price"):
        publish(framing, [structs.replace(tick(1), price=-1.0)])
    assert not fake.requests


def test_a_registry_that_comes_back_is_waited_for(framing: Broker, fake: FakeRegistry, topic: Topic, lake: str) -> None:
    fake.faults = [STORE_FAULT] * 2
    assert publish(framing, [tick(1)]).total == 1
    assert sum(landing.accepted for landing in land_all(lake, framing, topic)) == 1
