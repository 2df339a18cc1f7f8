"""names and paths -> secrets.

Belongs here: which settings are secrets, and reading one from the file that ``NAME_FILE`` names, as containers get them.
Does not belong here: the environment (``platform``), and what a secret opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from stock_assets.domain.errors import PermanentError

SECRETS = (
    "ALERTS_URL",
    "ALPHA_VANTAGE_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DAGSTER_PG_PASSWORD",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_KEY_PASSWORD",
    "OPENLINEAGE_API_KEY",
    "SCHEMA_REGISTRY_SECRET",
    "SERVING_PASSWORD",
    "SNOWFLAKE_PASSWORD",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
    "SNOWFLAKE_TOKEN",
)
"""Settings that ``NAME_FILE`` may take from a file."""


ADDRESSES = (
    "DAGSTER_PG_URL", "SERVING_DATABASE_URL", "SCHEMA_REGISTRY_URL", "OPENLINEAGE_URL", "YAHOO_PROXY", "HTTPS_PROXY"
)  # fmt: skip
"""Settings whose value may hold a password."""


def secrets_of_files(values: Mapping[str, str]) -> dict[str, str]:
    """What the files that ``values`` names hold, by the secret's name, without the line's end.

    Raises:
        PermanentError: a file cannot be read or is empty; the text names the variable and the file.
    """
    return {name: _read(f"{name}_FILE", path) for name in SECRETS if (path := values.get(f"{name}_FILE", "").strip())}


def secret_values(values: Mapping[str, str]) -> list[str]:
    """The secrets among ``values``, the passwords within addresses included: what must be in no log."""
    found = [values.get(name, "").strip() for name in SECRETS]
    found += [urlsplit(values.get(name, "")).password or "" for name in ADDRESSES]
    return [secret for secret in found if secret]


def named_files(values: Mapping[str, str]) -> list[str]:
    """The variables by which ``values`` name a secret's file."""
    return [f"{name}_FILE" for name in SECRETS if values.get(f"{name}_FILE", "").strip()]


def _read(variable: str, path: str) -> str:
    try:
        secret = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as broken:
        reason = broken.strerror if isinstance(broken, OSError) else "it is no text"
        raise PermanentError(f"{variable}: {path} cannot be read: {reason}") from None
    if not secret:
        raise PermanentError(f"{variable}: {path} is empty")
    return secret
