"""this machine and the settings -> facts.

Belongs here: the interpreter, the settings, Java, the jars, memory, and room on disks; nothing is changed by looking.
Does not belong here: services (``services``), and refusing to start (``local.preconditions``).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stock_assets.domain.errors import StockAssetsError
from stock_assets.local.jars import folders, listed, present
from stock_assets.local.java import find_java
from stock_assets.local.preconditions import LEAST_FREE_BYTES
from stock_assets.local.services import names_of
from stock_assets.observability.fact import Fact
from stock_assets.settings.misspelled import misspelled
from stock_assets.settings.platform import Settings

PYTHONS = ((3, 11), (3, 13))
LEAST_MEMORY = 256 * 1024**2
LEAST_FREE_TEMPORARY_BYTES = 100 * 1024**2
"""For temporary files: native libraries that are unpacked, and what is sorted on disk."""


def python_fact() -> Fact:
    """Whether this interpreter is one of those that are tested."""
    found = ".".join(map(str, sys.version_info[:3]))
    problem = not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    return Fact(
        "machine", "python", problem, found, "Remove .venv and run make with Python 3.11, 3.12 or 3.13." * problem
    )


def settings_fact(settings: Settings) -> Fact:
    """Whether every setting can be read, ports are apart, and no name looks misspelled."""
    try:
        for name in [name for name in vars(Settings) if not name.startswith("_")]:
            getattr(settings, name)
        started = names_of(settings)
        ports = [port for name, port in settings.local.ports.items() if name in started]
        ports.append(settings.local.kafka_port + 1)
    except StockAssetsError as error:
        return Fact(
            "settings", "settings", True, str(error), f"Mend it in {settings.home / '.env'} or the environment."
        )
    if len(set(ports)) < len(ports):
        cure = "Set KAFKA_PORT and DAGSTER_PORT (each takes the next one too), SPARK_PORT, WAREHOUSE_PORT, MINIO_PORT, DASHBOARD_PORT, "
        cure += "POSTGRES_PORT, METRICS_PORT apart."
        return Fact("settings", "settings", True, f"two services want the same port: {sorted(ports)}", cure)
    if strange := misspelled(settings.values):
        said = "; ".join(f"nobody reads {name}: {meant} is meant?" for name, meant in strange.items())
        return Fact("settings", "settings", True, said, "Correct the name, or remove it.")
    return Fact("settings", "settings", False, f"local data in {settings.local_dir}")


def java_facts(settings: Settings) -> Iterator[Fact]:
    """Java and the jars, where a service that needs them is an embedded one."""
    if not settings.embedded_kafka and not settings.embedded_spark:
        return
    try:
        java = find_java(settings)
    except StockAssetsError as error:
        yield Fact("machine", "java", True, str(error))
    else:
        passed = f"Passed over: {'; '.join(java.passed_over)}." if java.passed_over else ""
        yield Fact("machine", "java", False, f"Java {java.major}, {java.binary} ({java.origin})", passed)
    if present(settings):
        needed = [jar for jar in listed() if jar.folder in folders(settings)]
        yield Fact("machine", "jars", False, f"{len(needed)} in {settings.jars_dir}, proved when they were fetched")
    else:
        cure = "`stock-assets up` fetches them once; that needs a network."
        yield Fact("machine", "jars", True, f"not complete in {settings.jars_dir}", cure)


def disk_facts(settings: Settings) -> Iterator[Fact]:
    """Room for local data, for a lake in a folder elsewhere, and for temporary files."""
    yield _disk("local data", settings.local_dir, LEAST_FREE_BYTES, "STOCK_ASSETS_LOCAL")
    lake = Path(settings.lake_root)
    if not settings.lake_on_s3 and not lake.is_relative_to(settings.local_dir):
        yield _disk("lake", lake, LEAST_FREE_BYTES, "LAKE_ROOT")
    yield _disk("temporary files", Path(tempfile.gettempdir()), LEAST_FREE_TEMPORARY_BYTES, "TMPDIR")


def memory_facts(meminfo: Path = Path("/proc/meminfo")) -> Iterator[Fact]:
    """Memory that programs could still get; nothing where the system does not say."""
    try:
        lines = (line.split() for line in meminfo.read_text().splitlines())
        told = {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if len(line) > 1}
        free, whole = told["MemAvailable"], told["MemTotal"]
    except (OSError, KeyError, ValueError):
        return
    text = f"{free / 1024**3:.1f} of {whole / 1024**3:.1f} GB can still be had"
    cure = "End what is not needed: services are ended by the system when there is none." if free < LEAST_MEMORY else ""
    yield Fact("free_memory", "this machine", free < LEAST_MEMORY, text, cure, free, "bytes")


def _disk(about: str, place: Path, least: int, setting: str) -> Fact:
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Fact("free_space", about, True, f"{place} cannot be written", f"Set {setting} to another folder.")
    free = shutil.disk_usage(place).free
    wanted = f"{least / 1024**3:.0f} GB" if least >= 1024**3 else f"{least / 1024**2:.0f} MB"
    cure = "" if free >= least else f"Make room for {wanted} or set {setting} to another disk."
    return Fact("free_space", about, free < least, f"{free / 1024**3:.1f} GB free at {place}", cure, free, "bytes")
