"""Kafka over TLS with a login: every client of the platform against a broker that takes no other."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.landing.commit import land
from stock_assets.landing.prepare import Limits
from stock_assets.local.jars import fetch
from stock_assets.local.java import find_java
from stock_assets.local.kafka import format_kafka
from stock_assets.local.program import LOOPBACK
from stock_assets.local.programs import programs
from stock_assets.raw.completeness import prove
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings
from stock_assets.topic.leadership import Leadership, somebody_leads
from stock_assets.topic.publish import publish
from stock_assets.topic.publish_stream import publish_stream
from stock_assets.topic.topics import TICKS, admin_of, create_topics
from stock_assets_tests.conftest import place
from stock_assets_tests.fakes.certificates import make_authority
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.landing_records import tick

USER, PASSWORD, ADMIN_PASSWORD = "desk", "for-the-desk-only", "for-the-broker-only"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a broker that speaks TLS only and asks for a login, PLAIN or SCRAM."""
    folder = tmp_path_factory.mktemp("secured")
    ca_file, _ = make_authority(folder / "tls", ["localhost"])
    with pytest.MonkeyPatch.context() as patch:
        settings = place(patch, folder)
        java = find_java(settings)
        fetch(settings)
        (kafka,) = (program for program in programs(settings, java) if program.name == "kafka")
        ((path, text),) = kafka.files.items()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text + "\n".join(f"{name}={value}" for name, value in listener(settings, folder / "tls").items())
        )
        kafka.directory.mkdir(parents=True, exist_ok=True)
        format_kafka(settings, java)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"localhost:{settings.local.kafka_port}")
        patch.setenv("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
        patch.setenv("KAFKA_SSL_CA_FILE", str(ca_file))
        patch.setenv("KAFKA_SASL_USERNAME", USER)
        patch.setenv("KAFKA_SASL_PASSWORD", PASSWORD)
        with (folder / "kafka.log").open("w") as log:
            process = subprocess.Popen(kafka.command, cwd=kafka.directory, stdout=log, stderr=subprocess.STDOUT)
        try:
            found = Settings.load()
            wait_for(lambda: answers(found.broker, process), 120)
            yield found
        finally:
            process.kill()  # it holds nothing that anybody needs, and takes a minute to say goodbye
            process.wait(60)


def listener(settings: Settings, folder: Path) -> dict[str, str]:
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="broker" password="{ADMIN_PASSWORD}" user_broker="{ADMIN_PASSWORD}" user_{USER}="{PASSWORD}";'
    )
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": f"SASL_SSL://{LOOPBACK}:{settings.local.kafka_port},CONTROLLER://{LOOPBACK}:{settings.local.kafka_port + 1}",
        "advertised.listeners": f"SASL_SSL://localhost:{settings.local.kafka_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": login,
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "authority.pem"),
    }


def answers(broker: Broker, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "the broker ended"
    try:
        with admin_of(broker) as admin:
            return bool(admin.list_topics() is not None)
    except (ServiceUnavailable, PermanentError):
        return False


def test_every_client_passes(secured: Settings, tmp_path: Path) -> None:
    broker, lake = secured.broker, str(tmp_path)
    create_topics(broker, 2)
    assert publish(broker, (tick(n) for n in range(50))).total == 50
    assert publish_stream(broker, TICKS, ((0.0, tick(n)) for n in range(50, 100))).records == 50
    stop = threading.Event()
    leadership = Leadership(broker, TICKS)
    wait_for(lambda: leadership.held() and somebody_leads(broker), 60)
    leadership.close()
    stop.set()
    for reader, bulk_from in (("one by one", sys.maxsize), ("in bulk", 0)):
        (landing,) = land(f"{lake}/{reader}", broker, TICKS, Limits(processes=2, share_from=1, bulk_from=bulk_from))
        assert landing.accepted == 100
        assert all(proof.holds for proof in prove(f"{lake}/{reader}", TICKS))


def test_scram_is_taken_as_well(secured: Settings, tmp_path: Path) -> None:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AdminClient,
        ScramCredentialInfo,
        ScramMechanism,
        UserScramCredentialUpsertion,
    )

    create_topics(secured.broker, 2)
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    asked = UserScramCredentialUpsertion("night", credential, b"for-the-night-only")
    admin = AdminClient(secured.broker.librdkafka())  # its answers end with it
    for done in admin.alter_user_scram_credentials([asked]).values():
        done.result(timeout=30)
    broker = replace(secured.broker, mechanism="SCRAM-SHA-512", username="night", password="for-the-night-only")
    before = publish(broker, (tick(n) for n in range(10))).total
    landings = list(land(str(tmp_path), broker, TICKS))
    assert before == 10 and sum(landing.accepted for landing in landings) >= 10


def never(**options: object) -> None:
    raise AssertionError("a client was made that hides why it is refused")


@pytest.mark.parametrize("change", [{"password": "wrong-password"}, {"username": "nobody"}])
def test_a_login_that_is_refused_is_a_sentence_without_the_password(
    secured: Settings, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for client in ("kafka.KafkaProducer", "kafka.admin.KafkaAdminClient"):
        monkeypatch.setattr(client, never)  # it would try the same login again for 10 s or 30 s before it gives up
    broker = replace(secured.broker, **change)
    for ask in (lambda: create_topics(broker, 2), lambda: publish(broker, [tick(1)])):
        with pytest.raises(PermanentError, match=r"refuses the login .*KAFKA_SASL_USERNAME") as refused:
            ask()
        assert broker.password not in str(refused.value)
    with pytest.raises(PermanentError, match="refuses the login"):
        publish_stream(broker, TICKS, [(0.0, tick(1))])


def test_a_broker_whose_authority_is_not_trusted_is_a_sentence(secured: Settings, tmp_path: Path) -> None:
    stranger, _ = make_authority(tmp_path, ["localhost"])
    broker = replace(secured.broker, ca_file=str(stranger))
    with pytest.raises(PermanentError, match="KAFKA_SSL_CA_FILE"):
        create_topics(broker, 2)


def test_settings_are_taken_and_secrets_not_shown() -> None:
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": "one:1,two:2",
        "KAFKA_SECURITY_PROTOCOL": "ssl",
        "KAFKA_SSL_KEY_PASSWORD": "key-secret",
        "KAFKA_SASL_PASSWORD": "sasl-secret",
    }
    broker = Settings(values).broker
    assert (broker.protocol, broker.kafka_python()["bootstrap_servers"]) == ("SSL", ["one:1", "two:2"])
    assert "sasl.password" not in broker.librdkafka()
    assert "secret" not in repr(broker) + str(broker)
    with pytest.raises(PermanentError, match="KAFKA_SECURITY_PROTOCOL must be .PLAINTEXT"):
        _ = Settings(values | {"KAFKA_SECURITY_PROTOCOL": "tls"}).broker
