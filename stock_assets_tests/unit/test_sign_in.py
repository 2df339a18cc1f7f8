"""How a user signs in to Snowflake: what is asked of the connector, and what is said when it cannot work."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import DatabaseError

from stock_assets.domain.errors import PermanentError
from stock_assets.observability.services import key_facts
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import failures_told, parameters
from stock_assets.warehouse.sign_in import fingerprint

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACCOUNT = {"SNOWFLAKE_ACCOUNT": "acme", "SNOWFLAKE_USER": "LOADER"}


def key_file(folder: Path, passphrase: str = "") -> str:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    text = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    (folder / "key.p8").write_bytes(text)
    return str(folder / "key.p8")


def test_a_key_signs_in_by_token_of_its_own(tmp_path: Path) -> None:
    path = key_file(tmp_path, "sesame")
    settings = Settings({**ACCOUNT, "SNOWFLAKE_PRIVATE_KEY_PATH": path, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "sesame"})
    given = parameters(settings.snowflake)
    wanted = {"authenticator": "SNOWFLAKE_JWT", "private_key_file": path, "private_key_file_pwd": "sesame"}
    assert wanted.items() <= given.items() and "password" not in given
    assert "sesame" not in repr(settings.snowflake)


def test_its_fingerprint_is_the_one_that_snowflake_shows(tmp_path: Path) -> None:
    snowflake = Settings({**ACCOUNT, "SNOWFLAKE_PRIVATE_KEY_PATH": key_file(tmp_path)}).snowflake
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = b"".join(line for line in public.splitlines() if not line.startswith(b"-"))
    digest = hashlib.sha256(base64.b64decode(body)).digest()
    assert fingerprint(snowflake) == "SHA256:" + base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    ("content", "locked", "passphrase", "said"),
    [
        (None, "", "", "cannot be read: No such file"),
        (b"ssh-rsa AAAA", "", "", "is no private key in PEM"),
        (b"", "open", "", "needs its passphrase"),
        (b"", "open", "other", "opens with another SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
        (b"", "", "open", "has no passphrase, but SNOWFLAKE_PRIVATE_KEY_PASSPHRASE is set"),
    ],
)
def test_a_key_that_cannot_be_used_is_told(
    tmp_path: Path, content: bytes | None, locked: str, passphrase: str, said: str
) -> None:
    path = tmp_path / "key.p8"
    if content:
        path.write_bytes(content)
    elif content is not None:
        key_file(tmp_path, locked)
    given = {"SNOWFLAKE_PRIVATE_KEY_PATH": str(path), "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": passphrase}
    settings = Settings({**ACCOUNT, **given})
    with pytest.raises(PermanentError, match=f"^SNOWFLAKE_PRIVATE_KEY_PATH: {path} {said}"):
        parameters(settings.snowflake)
    (fact,) = key_facts(settings)
    assert fact.problem and said in fact.sentence


def test_doctor_shows_the_key_and_how_to_exchange_it(tmp_path: Path) -> None:
    settings = Settings({**ACCOUNT, "SNOWFLAKE_PRIVATE_KEY_PATH": key_file(tmp_path)})
    (fact,) = key_facts(settings)
    assert not fact.problem and fingerprint(settings.snowflake) in fact.sentence and "RSA_PUBLIC_KEY_2" in fact.sentence
    assert list(key_facts(Settings(ACCOUNT))) == []


def test_tokens_and_other_authenticators_are_passed_on() -> None:
    token = parameters(Settings({**ACCOUNT, "SNOWFLAKE_TOKEN": "pat"}).snowflake)
    assert (token["authenticator"], token["token"]) == ("PROGRAMMATIC_ACCESS_TOKEN", "pat") and "password" not in token
    browser = {**ACCOUNT, "SNOWFLAKE_AUTHENTICATOR": "externalbrowser", "SNOWFLAKE_PASSWORD": "x"}
    assert parameters(Settings(browser).snowflake)["authenticator"] == "externalbrowser"


def test_a_key_and_a_token_contradict_each_other(tmp_path: Path) -> None:
    both = {**ACCOUNT, "SNOWFLAKE_PRIVATE_KEY_PATH": key_file(tmp_path), "SNOWFLAKE_TOKEN": "pat"}
    with pytest.raises(PermanentError, match="both set"):
        parameters(Settings(both).snowflake)


def test_a_refusal_says_what_to_check(tmp_path: Path) -> None:
    with_key = Settings({**ACCOUNT, "SNOWFLAKE_PRIVATE_KEY_PATH": key_file(tmp_path)}).snowflake
    for snowflake, said in (
        (with_key, f"`DESC USER LOADER` must show {fingerprint(with_key)}"),
        (Settings({**ACCOUNT, "SNOWFLAKE_TOKEN": "pat"}).snowflake, "tells whether it expired"),
        (Settings(ACCOUNT).snowflake, "TYPE=SERVICE has no password"),
    ):
        with pytest.raises(PermanentError) as told, failures_told(snowflake):
            raise DatabaseError("390144 (08001): JWT token is invalid.")
        assert said in str(told.value) and "pat" not in str(told.value).split()


def test_queries_tell_where_they_come_from() -> None:
    given = parameters(Settings(ACCOUNT).snowflake, {"run": "r", "asset": "a"})
    assert json.loads(given["session_parameters"]["QUERY_TAG"]) == {"run": "r", "asset": "a"}
