"""stock_assets/local/jars.sha256 -> the jars of Kafka and Spark, and for a lake on S3 those of s3a, in a local folder.

Belongs here: fetching them once, with the Ivy that ships inside pyspark, and proving them by their sums.
Does not belong here: starting anything with them (services.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from stock_assets.domain.errors import PermanentError, ServiceUnavailable, StockAssetsError
from stock_assets.local.java import Java, find_java, network_options
from stock_assets.local.progress import telling
from stock_assets.settings.platform import Settings

LIST = Path(__file__).with_name("jars.sha256")
FOLDERS = ("kafka", "spark", "s3a")
FETCH_TIMEOUT_S = 900

# Ivy's public repository, asked for nothing but the listed jars: no project files, so nothing to resolve.
IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="public"/>
  <resolvers><ibiblio name="public" m2compatible="true" usepoms="false"/></resolvers>
</ivysettings>
"""


@dataclass(frozen=True)
class Jar:
    """One line of the list."""

    sha256: str
    folder: str
    organisation: str
    module: str
    version: str

    @property
    def name(self) -> str:
        return f"{self.module}-{self.version}.jar"


def listed(list_file: Path = LIST) -> list[Jar]:
    """The jars of the list, in its order."""
    lines = [line.split() for line in list_file.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(digest, folder, *place.split(":")) for digest, folder, place in lines]


def pyspark_jars() -> Path:
    """The folder of jars inside the installed pyspark.

    Raises:
        PermanentError: pyspark is not installed.
    """
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise PermanentError("pyspark is not installed in this environment; run `make demo` or `make test` once.")
    return Path(spec.origin).parent / "jars"


def folders(settings: Settings) -> tuple[str, ...]:
    """The folders of jars that these settings need: Spark reaches S3 only when the lake lies there."""
    return tuple(folder for folder in FOLDERS if folder != "s3a" or settings.lake_on_s3)


def present(settings: Settings, list_file: Path = LIST) -> bool:
    """Whether earlier fetches of exactly this list were completed and proved. Takes a millisecond."""
    digest = _digest(list_file)
    stamps = [_stamp(settings.jars_dir, folder) for folder in folders(settings)]
    return all(stamp.is_file() and stamp.read_text() == digest for stamp in stamps)


def fetch(settings: Settings, say: Callable[[str], None] = lambda _: None, list_file: Path = LIST) -> Path:
    """Fetch what is missing, prove every jar, and return the folder that holds ``kafka/``, ``spark/`` and perhaps ``s3a/``.

    An interrupted fetch goes on where it stopped: Ivy keeps what it has in ``ivy/`` beside them. A second caller waits
    for the first. Later calls need no network.

    Raises:
        ServiceUnavailable: the public repository cannot be reached.
        PermanentError: a jar's sum differs from the list's, or there is no suitable Java.
    """
    target = settings.jars_dir
    if present(settings, list_file):
        return target
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not present(settings, list_file):
            _fetch(settings, say, list_file)
    return target


def _fetch(settings: Settings, say: Callable[[str], None], list_file: Path) -> None:
    target = settings.jars_dir
    jars = [jar for jar in listed(list_file) if jar.folder in folders(settings)]
    missing = [jar for jar in jars if not (target / jar.folder / jar.name).is_file()]
    if missing:
        say(f"jars    fetching {len(missing)} of {len(jars)} into {target}")
        java = find_java(settings)
        with telling(say, lambda _: f"jars    {_arrived(target)}"):
            for folder in folders(settings):
                wanted = [jar for jar in missing if jar.folder == folder]
                if wanted:
                    _retrieve(settings, java, folder, wanted)
    _prove(target, jars)
    _remove_strangers(target, jars)
    shutil.rmtree(target / "ivy", ignore_errors=True)
    for folder in folders(settings):
        stamp = _stamp(target, folder)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(_digest(list_file))


def _arrived(target: Path) -> str:
    files = [path for folder in ("ivy", *FOLDERS) for path in (target / folder).rglob("*.jar*")]
    sizes = [path.stat().st_size for path in files if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes) / 1e6:,.0f} MB so far"


def _retrieve(settings: Settings, java: Java, folder: str, jars: list[Jar]) -> None:
    work = settings.jars_dir / "ivy"
    work.mkdir(parents=True, exist_ok=True)
    (work / "settings.xml").write_text(IVY_SETTINGS)
    (work / f"{folder}.xml").write_text(_module(folder, jars))
    options = work / "network.args"  # a file, since the list of processes would show a proxy's password
    options.touch(mode=0o600)
    options.write_text("".join(f'"{option}"\n' for option in network_options(settings, work)))
    command: list[str | Path] = [java.binary, f"@{options}"]
    command += ["-cp", _ivy(), "org.apache.ivy.Main", "-settings", work / "settings.xml", "-cache", work / "cache"]
    command += ["-ivy", work / f"{folder}.xml", "-confs", "default", "-warn"]
    command += ["-retrieve", f"{settings.jars_dir / folder}/[artifact]-[revision].[ext]"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ServiceUnavailable(
            f"The jars for {folder} did not arrive within {FETCH_TIMEOUT_S // 60} minutes; start again to go on."
        ) from None
    log = work / f"{folder}.log"
    log.write_text(done.stdout + done.stderr)
    absent = [jar.name for jar in jars if not (settings.jars_dir / folder / jar.name).is_file()]
    if absent:
        cause = _cause(done.stdout + done.stderr)
        raise ServiceUnavailable(
            f"{len(absent)} of {len(jars)} jars for {folder} could not be fetched (first: {absent[0]}){cause}; "
            f"check the network, then start again to go on where it stopped. Log: {log}"
        )


def _ivy() -> Path:
    found = sorted(pyspark_jars().glob("ivy-*.jar"))
    if not found:
        raise PermanentError(f"No ivy-*.jar in {pyspark_jars()}: the installed pyspark is not the pinned one.")
    return found[-1]


def _module(folder: str, jars: list[Jar]) -> str:
    rows = "\n".join(
        f'    <dependency org="{j.organisation}" name="{j.module}" rev="{j.version}" transitive="false"'
        ' conf="default->default"/>'
        for j in jars
    )
    return (
        f'<ivy-module version="2.0">\n  <info organisation="stock_assets" module="{folder}"/>\n'
        f'  <configurations><conf name="default"/></configurations>\n  <dependencies>\n{rows}\n'
        "  </dependencies>\n</ivy-module>\n"
    )


def _cause(output: str) -> str:
    """The network's own word for what went wrong, when Ivy passed it on."""
    signs = ("UnknownHostException", "ConnectException", "SSLHandshakeException", "SocketTimeoutException")
    lines = (line.strip() for line in output.splitlines())
    line = next((line for line in lines if any(sign in line for sign in signs)), "")
    return f": {line[:160]}" if line else ""


def _prove(target: Path, jars: list[Jar]) -> None:
    for jar in jars:
        path = target / jar.folder / jar.name
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != jar.sha256:
            path.unlink()
            shutil.rmtree(target / "ivy", ignore_errors=True)  # or its cache would hand out the same bytes again
            raise PermanentError(
                f"{jar.folder}/{jar.name} is not the jar that was pinned (sha256 {found[:12]}..., wanted "
                f"{jar.sha256[:12]}...); it was removed, start again to fetch it anew."
            )


def _remove_strangers(target: Path, jars: list[Jar]) -> None:
    """A jar of an older list would shadow its successor on the class path."""
    wanted = {(jar.folder, jar.name) for jar in jars}
    for folder in {jar.folder for jar in jars}:
        for path in (target / folder).glob("*.jar"):
            if (folder, path.name) not in wanted:
                path.unlink()


def _stamp(target: Path, folder: str) -> Path:
    return target / folder / "complete"


def _digest(list_file: Path) -> str:
    return hashlib.sha256(list_file.read_bytes()).hexdigest()


if __name__ == "__main__":  # while the rest of the set-up goes on; who needs them fetches what is missing
    try:
        fetch(Settings.load(), partial(print, flush=True))
    except StockAssetsError as fault:
        sys.exit(str(fault))
