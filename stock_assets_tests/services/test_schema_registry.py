"""A schema registry: what publishers say to it, what it answers, and what the user is told."""

import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import requests

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.messages import Tick, json_schema
from stock_assets.observability.fact import Fact
from stock_assets.observability.services import registry_facts
from stock_assets.settings.kafka import Registry
from stock_assets.settings.platform import Settings
from stock_assets.topic import schema_registry
from stock_assets.topic.schema_registry import ATTEMPTS, frame_of, standing
from stock_assets.topic.topics import ACTIONS, TICKS
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.fakes.certificates import make_authority
from stock_assets_tests.fakes.fake_registry import (
    ELSEWHERE,
    HTML,
    INVALID,
    NO_LEADER,
    NOT_FOUND,
    STORE_FAULT,
    Answer,
    FakeRegistry,
    fake_registry,
)

SUBJECT = "stock-market-realtime-value"
SECRET = "für-the-registry-€-only"


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was registered is forgotten, pauses are none, and a developer's proxy is not asked for a fake."""
    schema_registry._registered.cache_clear()
    monkeypatch.setattr(schema_registry, "PAUSE_S", 0.0)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


def changed(**properties: dict[str, Any] | None) -> dict[str, Any]:
    """The schema of a tick with other properties; None takes one away."""
    schema = deepcopy(json_schema(Tick))
    own = schema["$defs"]["Tick"]["properties"]
    for name, given in properties.items():
        if given is None:
            del own[name]
        else:
            own[name] = given
    return schema


def test_a_schema_is_registered_once_for_each_topic_and_its_id_is_in_the_frame(fake: FakeRegistry) -> None:
    registry = Registry(fake.url)
    frames = [frame_of(registry, topic) for topic in (TICKS, ACTIONS, TICKS, ACTIONS)]
    assert fake.registrations() == 2
    ids = [fake.subjects[f"{topic.name}-value"][0] for topic in (TICKS, ACTIONS)]
    assert frames == [b"\0" + number.to_bytes(4, "big") for number in ids] * 2


def test_without_a_registry_there_is_no_frame_and_no_http_client() -> None:
    lines = (
        "import sys",
        "import stock_assets.landing.decode, stock_assets.topic.publish, stock_assets.topic.publish_stream",
        "from stock_assets.topic.schema_registry import frame_of",
        "from stock_assets.topic.topics import TICKS",
        "assert frame_of(None, TICKS) == b''",
        "assert 'requests' not in sys.modules and 'tenacity' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, cwd=PROJECT)


def test_a_field_that_open_schemas_may_not_get_is_a_sentence_whose_cure_works(fake: FakeRegistry) -> None:
    fake.register(SUBJECT, changed(bid=None))
    registry = Registry(fake.url)
    reason = rf"schema of {SUBJECT} as incompatible.*PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL.*bid.*PUT /config/{SUBJECT}"
    for ask in (frame_of, standing):
        with pytest.raises(PermanentError, match=reason):
            ask(registry, TICKS)
    assert fake.registrations() == 1  # an incompatible schema is not tried again
    requests.put(f"{fake.url}/config/{SUBJECT}", json={"compatibility": "FORWARD"}, timeout=5).raise_for_status()
    assert standing(registry, TICKS) == f"{SUBJECT}: ours fits version 1, the next publisher registers it"
    assert frame_of(registry, TICKS)
    assert len(fake.subjects[SUBJECT]) == 2
    fake.register(SUBJECT, changed(price={"type": "string"}))
    schema_registry._registered.cache_clear()
    assert frame_of(registry, TICKS)  # ours is there already: others may go on


def test_a_login_that_is_refused_is_a_sentence_without_the_password(fake: FakeRegistry) -> None:
    fake.login = ("desk", SECRET)
    for key, secret in (("desk", "wrong-secret"), ("", "")):
        with pytest.raises(PermanentError, match=r"refuses the login.*SCHEMA_REGISTRY_KEY") as refused:
            frame_of(Registry(fake.url, key, secret), TICKS)
        assert "wrong-secret" not in str(refused.value)
    assert fake.registrations() == 2
    assert frame_of(Registry(fake.url, "desk", SECRET), TICKS)


def test_a_fault_that_passes_is_waited_for_and_one_that_stays_is_said(fake: FakeRegistry) -> None:
    fake.faults = [STORE_FAULT, NO_LEADER]
    assert frame_of(Registry(fake.url), TICKS)
    assert fake.registrations() == 3
    fake.faults = [STORE_FAULT] * ATTEMPTS
    with pytest.raises(ServiceUnavailable, match=r"fault of its own, 500: Error in the backend data store"):
        frame_of(Registry(fake.url), ACTIONS)
    assert fake.registrations() == 3 + ATTEMPTS


def test_a_registry_that_is_down_is_said() -> None:
    with fake_registry() as gone:
        pass
    with pytest.raises(ServiceUnavailable, match=f"no schema registry answers at {gone.url}"):
        frame_of(Registry(gone.url), TICKS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (INVALID, "cannot take the schema of stock-market-realtime-value: Input schema is an invalid JSON schema"),
        (HTML, "is no schema registry.*check SCHEMA_REGISTRY_URL"),
        (NOT_FOUND, "is no schema registry.*404"),
        (ELSEWHERE, "is no schema registry.*302"),
        ((404, {"error_code": 404, "message": "HTTP 404 Not Found"}), "is no schema registry.*404"),
        ((200, {"version": 1}), "is no schema registry.*no id"),
        ((403, {"error_code": 40301, "message": f"no {SECRET}"}), "refuses the login"),
        ((418, {"error_code": 418, "message": f"no {SECRET}"}), r"418 no \*\*\*"),
    ],
)
def test_other_answers_are_sentences_at_once(fake: FakeRegistry, answer: Answer, said: str) -> None:
    fake.login = ("desk", SECRET)
    fake.faults = [answer]
    with pytest.raises(PermanentError, match=said) as refused:
        frame_of(Registry(fake.url, *fake.login), TICKS)
    assert SECRET not in str(refused.value)
    assert len(fake.requests) == 1


def test_https_is_trusted_by_the_authorities_that_are_set_and_no_others(tmp_path: Path) -> None:
    ca_file, context = make_authority(tmp_path / "ours", ["localhost"])
    stranger, _ = make_authority(tmp_path / "strange", ["localhost"])
    with fake_registry(context) as fake:
        url = fake.url.replace("127.0.0.1", "localhost")
        assert frame_of(Registry(url, ca_file=str(ca_file)), TICKS)
        with pytest.raises(PermanentError, match=r"no TLS connection to the schema registry.*KAFKA_SSL_CA_FILE"):
            frame_of(Registry(url, ca_file=str(stranger)), TICKS)
        with pytest.raises(PermanentError, match="KAFKA_SSL_CA_FILE cannot be read"):
            frame_of(Registry(url, ca_file=str(tmp_path / "nowhere.pem")), TICKS)


def test_settings_are_taken_and_the_secret_is_not_shown() -> None:
    values = {
        "SCHEMA_REGISTRY_URL": "https://registry/path/",
        "SCHEMA_REGISTRY_KEY": "desk",
        "SCHEMA_REGISTRY_SECRET": SECRET,
        "SSL_CERT_FILE": "usual.pem",
    }
    broker = Settings(values).broker
    assert broker.registry == Registry("https://registry/path", "desk", SECRET, "usual.pem")
    assert Settings(values | {"KAFKA_SSL_CA_FILE": "own.pem"}).broker.registry.ca_file == "own.pem"  # type: ignore[union-attr]
    assert SECRET not in repr(broker) + str(broker.registry)
    assert Settings({}).broker.registry is None
    with pytest.raises(PermanentError, match="must begin with http"):
        _ = Settings({"SCHEMA_REGISTRY_URL": "registry:8081"}).broker
    with pytest.raises(PermanentError, match="must not carry a login") as refused:
        _ = Settings({"SCHEMA_REGISTRY_URL": f"https://desk:{SECRET}@registry"}).broker
    assert SECRET not in str(refused.value)


def test_the_doctor_tells_how_each_topic_stands_and_changes_nothing(fake: FakeRegistry, tmp_path: Path) -> None:
    values = {"STOCK_ASSETS_LOCAL": str(tmp_path), "PATH": "/nonexistent", "SCHEMA_REGISTRY_URL": fake.url}

    def findings() -> list[Fact]:
        return list(registry_facts(Settings(values)))

    def told() -> dict[str, bool]:
        return {each.sentence: not each.problem for each in findings()}

    names = ("stock-market-actions-value", "stock-market-batch-value", SUBJECT)
    assert told() == {f"{name}: nothing is registered yet, the first publisher does it": True for name in names}
    fake.register(SUBJECT, json_schema(Tick))
    assert told()[f"{SUBJECT}: ours is version 1"]
    fake.register(SUBJECT, changed(venue={"type": "string"}))
    assert told()[f"{SUBJECT}: ours is version 1; others publish by version 2"]
    fake.subjects.clear()
    fake.register(SUBJECT, changed(price={"type": "string"}))
    before = deepcopy(fake.subjects)
    (wrong,) = [found for found, ok in told().items() if not ok]
    assert SUBJECT in wrong and "TYPE_CHANGED" in wrong and "PUT /config" in wrong
    assert (fake.subjects, fake.registrations()) == (before, 0)
    fake.faults = [STORE_FAULT] * ATTEMPTS * len(names)
    (down,) = findings()  # one sentence, not one for each topic
    assert down.problem and down.cure and "backend data store" in down.sentence
    values["SCHEMA_REGISTRY_URL"] = ""
    assert not findings()
