"""nothing -> a Docker engine with the base image.

Belongs here: finding an engine or starting one, and making the base image where none can be pulled.
Does not belong here: our images and containers (stack.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stock_assets_tests.checkout import PROJECT

BASE = "debian:bookworm-slim"
PACKAGES = ("docker.io", "docker-compose", "debootstrap")
START_DEADLINE_S = 60
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
"""What Debian's own slim image does without."""


def run(command: Sequence[str | Path], *, timeout_s: float = 600, environment: dict[str, str] | None = None) -> str:
    """What the command prints.

    Raises:
        RuntimeError: it fails; the text carries its last words.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=PROJECT, env=environment
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-600:]
        raise RuntimeError(f"{' '.join(map(str, command[:6]))} failed: {words}")
    return done.stdout


@contextmanager
def engine(say: Callable[[str], None]) -> Iterator[None]:
    """An engine that answers: the machine's, else one that is started here and stopped at the end."""
    if shutil.which("docker") is None or shutil.which("docker-compose") is None:
        say(f"installing {', '.join(PACKAGES)}")
        run(["apt-get", "update"])
        install = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
        run(install, environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if _answers():
        yield
        return
    say("starting dockerd")
    with tempfile.TemporaryFile() as log:
        # a session of its own: Ctrl-C must stop the containers first
        server = subprocess.Popen(
            ["dockerd", "--storage-driver=overlay2"], stdout=log, stderr=log, start_new_session=True
        )
        try:
            deadline = time.monotonic() + START_DEADLINE_S
            while not _answers():
                if server.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"dockerd did not start: {log.read().decode(errors='replace')[-600:]}")
                time.sleep(0.5)
            yield
        finally:
            server.terminate()
            server.wait(60)


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def ensure_base(say: Callable[[str], None]) -> None:
    """The base image: present, pulled, or made by debootstrap."""
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode == 0:
        return
    if subprocess.run(["docker", "pull", "-q", BASE], capture_output=True, check=False, timeout=300).returncode == 0:
        return
    say(f"making {BASE} with debootstrap, as it cannot be pulled")
    with tempfile.TemporaryDirectory() as folder:
        run(["debootstrap", "--variant=minbase", "bookworm", folder], timeout_s=1200)
        excluded = [f"--exclude=./{path}/*" for path in LEFT_OUT]
        packed = subprocess.Popen(["tar", "-C", folder, *excluded, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", BASE], stdin=packed.stdout, check=True, capture_output=True)
        if packed.wait():
            raise RuntimeError(f"{BASE} could not be packed")


def share_authorities() -> None:
    """Authorities that were added to this machine are those that sign what the images fetch."""
    for found in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        target = PROJECT / "docker" / "certs" / found.name
        if not target.is_file():
            shutil.copy(found, target)
