"""one embedded service -> what supervisor needs to run it.

Belongs here: the shape of a program, and what the programs of several services share.
Does not belong here: what is particular to one service (``kafka``, ``spark``, ``dagster``, ...).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from stock_assets.settings.platform import Settings

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
WITH_STORE_KEYS = [sys.executable, "-m", "stock_assets.local.with_store_keys"]


@dataclass(frozen=True)
class Program:
    """One process under supervisor.

    Attributes:
        ports: each port it takes, and the setting that moves it.
        directory: where it runs, made if missing. Emptied before each start if ``fresh``.
        files: what is written before it starts.
        once: it does one thing and ends.
        publisher: it is started again, ever later, unless its exit status is ``ENDED_FOR_GOOD``, and stopped before the others.
        stopped_last: the others still need it while they stop.
        started_last: nobody waits for it; it is started when the others answer.
    """

    name: str
    command: list[str]
    directory: Path
    ports: dict[int, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    fresh: bool = False
    once: bool = False
    publisher: bool = False
    stop_wait_s: int = 20
    stop_signal: str = "TERM"
    stopped_last: bool = False
    started_last: bool = False


def prepare(program: Program) -> None:
    """Make its folder, and write its files."""
    program.directory.mkdir(parents=True, exist_ok=True)
    for path, text in program.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run_dir(settings: Settings) -> Path:
    """Where rendered configuration lives; nothing in it needs to survive ``down``."""
    return settings.local_dir / "run"


def log_file(settings: Settings, name: str) -> Path:
    """What a service prints; older parts lie beside it as ``.1`` and ``.2``."""
    return settings.local_dir / "logs" / f"{name}.log"


def log_configuration(settings: Settings) -> Path:
    """How programs of Java log: in lines of text, or of JSON."""
    return HERE / ("log4j2-json.xml" if settings.local.log_format == "json" else "log4j2.xml")


def java_options(settings: Settings) -> list[str]:
    """The same whatever this machine's zone and language: in Turkish, "i" in capitals is no "I"."""
    return [
        f"-Dlog4j2.configurationFile={log_configuration(settings).as_uri()}",
        "-Duser.timezone=UTC",
        "-Duser.language=en",
        "-Duser.country=US",
        "-Djava.awt.headless=true",
    ]


def property_lines(properties: dict[str, str]) -> str:
    """As java.util.Properties reads them: Latin-1, and all else by its code."""
    return "".join(f"{name}={_escaped(value)}\n" for name, value in properties.items())


def _escaped(value: str) -> str:
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)
