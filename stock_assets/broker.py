"""settings -> how the clients of Kafka speak to a broker, and where the schemas of its topics are registered.

Belongs here: address, encryption and login of a broker, as each of the two client libraries spells them, and of its registry.
Does not belong here: clients, and what they are asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

from stock_assets.domain.errors import PermanentError
from stock_assets.setting_values import Values

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


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

    @classmethod
    def of(cls, values: Values) -> Self | None:
        """The registry that the settings describe; None when no address is set.

        Raises:
            PermanentError: the address is none of http or https, or carries a login, which would be shown with it.
        """
        url = values.text("SCHEMA_REGISTRY_URL").rstrip("/")
        if not url:
            return None
        if "@" in url:
            raise PermanentError(
                "SCHEMA_REGISTRY_URL must not carry a login: set SCHEMA_REGISTRY_KEY and SCHEMA_REGISTRY_SECRET"
            )
        if not url.startswith(("http://", "https://")):
            raise PermanentError(f"SCHEMA_REGISTRY_URL must begin with http:// or https://, not {url!r}")
        # whoever runs both signs both; a file for Python's own clients is the second guess
        ca_file = values.text("KAFKA_SSL_CA_FILE", values.text("SSL_CERT_FILE"))
        return cls(url, values.text("SCHEMA_REGISTRY_KEY"), values.text("SCHEMA_REGISTRY_SECRET"), ca_file)

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

    @classmethod
    def of(cls, values: Values, bootstrap: str) -> Self:
        """The broker that the ``KAFKA_*`` settings describe, and the registry of ``SCHEMA_REGISTRY_*``.

        Raises:
            PermanentError: a value is none of those possible.
        """
        protocols = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
        mechanisms = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
        return cls(
            bootstrap,
            cast(Protocol, values.choice("KAFKA_SECURITY_PROTOCOL", protocols)),
            values.text("KAFKA_SSL_CA_FILE"),
            values.text("KAFKA_SSL_CERTIFICATE_FILE"),
            values.text("KAFKA_SSL_KEY_FILE"),
            values.text("KAFKA_SSL_KEY_PASSWORD"),
            cast(Mechanism, values.choice("KAFKA_SASL_MECHANISM", mechanisms)),
            values.text("KAFKA_SASL_USERNAME"),
            values.text("KAFKA_SASL_PASSWORD"),
            Registry.of(values),
        )

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
