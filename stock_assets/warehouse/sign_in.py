"""settings -> how a user proves who it is to Snowflake.

Belongs here: key pair, programmatic access token, password, or what another authenticator needs; and the key's fingerprint.
Does not belong here: opening the connection (connect.py).
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.warehouse import Snowflake

KEY = "SNOWFLAKE_PRIVATE_KEY_PATH"


def credentials(snowflake: Snowflake) -> dict[str, Any]:
    """Keyword arguments of ``snowflake.connector.connect``; they hold secrets.

    Raises:
        PermanentError: both a key and a token are set, or the key cannot be used.
    """
    if snowflake.key_path and snowflake.token:
        raise PermanentError(f"{KEY} and SNOWFLAKE_TOKEN are both set: Snowflake takes one of them.")
    named = {"authenticator": snowflake.authenticator} if snowflake.authenticator else {}
    if snowflake.key_path:
        fingerprint(snowflake)  # so that a bad key is told here, in words
        locked = {"private_key_file_pwd": snowflake.key_passphrase} if snowflake.key_passphrase else {}
        return {"authenticator": "SNOWFLAKE_JWT", "private_key_file": snowflake.key_path, **locked, **named}
    if snowflake.token:
        return {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": snowflake.token, **named}
    return {"password": snowflake.password, **named} if snowflake.password else named


def fingerprint(snowflake: Snowflake) -> str:
    """Of the public key, as ``DESC USER`` shows it in RSA_PUBLIC_KEY_FP.

    Raises:
        PermanentError: the key cannot be read, or not with this passphrase.
    """
    from cryptography.hazmat.primitives import serialization

    try:
        text = Path(snowflake.key_path).read_bytes()
    except OSError as broken:
        raise PermanentError(f"{KEY}: {snowflake.key_path} cannot be read: {broken.strerror}") from None
    passphrase = snowflake.key_passphrase.encode() or None
    try:
        key = serialization.load_pem_private_key(text, passphrase)
    except (TypeError, ValueError) as broken:  # TypeError: a passphrase that is missing, or too many
        if isinstance(broken, TypeError) or "password" in str(broken).lower():
            what = "opens with another SNOWFLAKE_PRIVATE_KEY_PASSPHRASE" if passphrase else "needs its passphrase"
            if isinstance(broken, TypeError) and passphrase:
                what = "has no passphrase, but SNOWFLAKE_PRIVATE_KEY_PASSPHRASE is set"
        else:
            what = "is no private key in PEM"
        raise PermanentError(f"{KEY}: {snowflake.key_path} {what}.") from None
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"SHA256:{base64.b64encode(hashlib.sha256(public).digest()).decode()}"


def advice(snowflake: Snowflake) -> str:
    """What to check or do when Snowflake refused."""
    user = snowflake.user
    if snowflake.key_path:
        return (
            f"`DESC USER {user}` must show {fingerprint(snowflake)} as RSA_PUBLIC_KEY_FP or RSA_PUBLIC_KEY_2_FP; "
            f"`ALTER USER {user} SET RSA_PUBLIC_KEY_2 = '...'` takes another key while the present one still works."
        )
    if snowflake.token:
        return (
            f"`SHOW USER PROGRAMMATIC ACCESS TOKENS FOR USER {user}` tells whether it expired; "
            f"`ALTER USER {user} ROTATE PROGRAMMATIC ACCESS TOKEN ...` makes another. It also needs a network policy."
        )
    return (
        "Check SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_PASSWORD and SNOWFLAKE_ROLE. A user of TYPE=SERVICE has no "
        f"password: give it a key ({KEY}) or a token (SNOWFLAKE_TOKEN)."
    )
