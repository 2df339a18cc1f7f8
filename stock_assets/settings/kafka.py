"""names and texts -> how the clients of Kafka speak to a broker, and where the schemas of its topics are registered.

Belongs here: address, encryption and login of a broker, as each of the two client libraries spells them, what its topics are
called, and its registry.
Does not belong here: clients, and what they are asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import field_validator

from stock_assets.settings.owner import Owner, Upper, setting

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class TopicNames:
    """What the topic of each stage is called."""

    ticks: str = "stock-market-realtime"
    bars: str = "stock-market-batch"
    actions: str = "stock-market-actions"

    def of(self, stage: str) -> str:
        """The name of a stage's topic."""
        return {"ticks": self.ticks, "bars": self.bars, "actions": self.actions}[stage]


@dataclass(frozen=True)
class Registry:
    """A schema registry as Confluent's. Its text is its address; nothing secret is shown.

    Attributes:
        key, secret: login; none when ``key`` is empty.
        ca_file: PEM file of the authorities that signed its certificate; empty for the usual ones.
    """

    url: str
    key: str = ""
    secret: str = field(default="", repr=False)
    ca_file: str = ""

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Broker:
    """A Kafka cluster. Its text is its address; nothing secret is shown.

    Attributes:
        bootstrap: ``host:port``, several separated by commas.
        ca_file: PEM file of the authorities that signed the broker's certificate; empty for the system's.
        certificate_file, key_file: PEM files of this client's own certificate, where the broker asks for one.
        registry: where publishers register what their records look like; None for nowhere.
        topics: what the topic of each stage is called there.
    """

    bootstrap: str
    protocol: Protocol = "PLAINTEXT"
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    key_password: str = field(default="", repr=False)
    mechanism: Mechanism = "PLAIN"
    username: str = ""
    password: str = field(default="", repr=False)
    registry: Registry | None = None
    topics: TopicNames = TopicNames()

    def __str__(self) -> str:
        return self.bootstrap

    def librdkafka(self) -> dict[str, Any]:
        """Options of ``confluent_kafka`` clients."""
        options: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "security.protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            options |= {
                "ssl.ca.location": self.ca_file,
                "ssl.certificate.location": self.certificate_file,
                "ssl.key.location": self.key_file,
                "ssl.key.password": self.key_password,
            }
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        return {name: value for name, value in options.items() if value}

    def kafka_python(self) -> dict[str, Any]:
        """Options of ``kafka-python`` clients."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(","), "security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            options |= {
                "ssl_cafile": self.ca_file,
                "ssl_certfile": self.certificate_file,
                "ssl_keyfile": self.key_file,
                "ssl_password": self.key_password,
            }
        if self.protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return {name: value for name, value in options.items() if value}


class KafkaSettings(Owner):
    """The broker, its topics and its schema registry."""

    bootstrap: str = setting(
        "KAFKA_BOOTSTRAP_SERVERS", "", "broker: `host:port`, several separated by commas", shown="embedded"
    )
    protocol: Annotated[Protocol, Upper] = setting(
        "KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", "`ssl`, or with a login `sasl_ssl` or `sasl_plaintext`"
    )
    ca_file: str = setting("KAFKA_SSL_CA_FILE", "", "PEM file of the authorities for TLS", shown="the system's")
    certificate_file: str = setting(
        "KAFKA_SSL_CERTIFICATE_FILE",
        "",
        "PEM file of a certificate of our own, where the broker asks for one",
        shown="none",
    )
    key_file: str = setting("KAFKA_SSL_KEY_FILE", "", "PEM file of its key", shown="none")
    key_password: str = setting("KAFKA_SSL_KEY_PASSWORD", "", "password of that file", shown="none", repr=False)
    mechanism: Annotated[Mechanism, Upper] = setting(
        "KAFKA_SASL_MECHANISM", "PLAIN", "how to log in; or `SCRAM-SHA-256`, `SCRAM-SHA-512`"
    )
    username: str = setting("KAFKA_SASL_USERNAME", "", "login", shown="none")
    password: str = setting("KAFKA_SASL_PASSWORD", "", "its password", shown="none", repr=False)
    ticks_topic: str = setting("KAFKA_TICKS_TOPIC", TopicNames.ticks, "topic of ticks")
    bars_topic: str = setting("KAFKA_BARS_TOPIC", TopicNames.bars, "topic of vendors' bars")
    actions_topic: str = setting("KAFKA_ACTIONS_TOPIC", TopicNames.actions, "topic of splits and dividends")
    partitions: int = setting("KAFKA_PARTITIONS", 3, "partitions of topics that are created", ge=1)
    replication: int | None = setting(
        "KAFKA_REPLICATION_FACTOR", None, "replicas of topics that are created", shown="the broker's default", ge=1
    )
    registry_url: str = setting(
        "SCHEMA_REGISTRY_URL",
        "",
        "a schema registry as Confluent's; over https it is trusted by `KAFKA_SSL_CA_FILE`, too",
        shown="none",
    )
    registry_key: str = setting("SCHEMA_REGISTRY_KEY", "", "login of the registry", shown="none")
    registry_secret: str = setting("SCHEMA_REGISTRY_SECRET", "", "its secret", shown="none", repr=False)

    @field_validator("registry_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        if "@" in url:
            raise ValueError("must not carry a login: set SCHEMA_REGISTRY_KEY and SCHEMA_REGISTRY_SECRET")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"must begin with http:// or https://, not {url!r}")
        return url.rstrip("/")

    def broker(self, bootstrap: str, ca_bundle: str) -> Broker:
        """The broker at ``bootstrap``; ``ca_bundle`` is what this machine trusts, for the registry."""
        # whoever runs both signs both; a file for Python's own clients is the second guess
        trusted = self.ca_file or ca_bundle
        registry = Registry(self.registry_url, self.registry_key, self.registry_secret, trusted)
        return Broker(
            bootstrap,
            self.protocol,
            self.ca_file,
            self.certificate_file,
            self.key_file,
            self.key_password,
            self.mechanism,
            self.username,
            self.password,
            registry if self.registry_url else None,
            TopicNames(self.ticks_topic, self.bars_topic, self.actions_topic),
        )
