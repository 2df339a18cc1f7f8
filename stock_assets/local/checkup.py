"""this machine, the settings and the services -> findings, each with its cure.

Belongs here: one check per part, that changes nothing.
Does not belong here: mending.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stock_assets.domain.errors import StockAssetsError, TransientError
from stock_assets.local import readiness
from stock_assets.local.jars import folders, listed, present
from stock_assets.local.java import find_java
from stock_assets.local.preconditions import LEAST_FREE_BYTES
from stock_assets.local.services import Services, names_of
from stock_assets.local.states import ServiceState, publishers_of
from stock_assets.settings.misspelled import misspelled
from stock_assets.settings.platform import Settings

PYTHONS = ((3, 11), (3, 13))


@dataclass(frozen=True)
class Finding:
    """What was seen of one part. A cure may also be a hint beside something that is in order."""

    part: str
    ok: bool
    found: str
    cure: str = ""


def examine(settings: Settings) -> list[Finding]:
    """All parts in the order in which they depend on each other; never raises for what it finds."""
    settings_finding = _settings(settings)
    machine = [_python(), settings_finding]
    if not settings_finding.ok:  # ports and places below cannot be told
        return machine
    services = [*_services(settings), *_registry(settings)]
    return [*machine, _java(settings), _disk(settings), _jars(settings), *services]


def _python() -> Finding:
    version = sys.version_info[:2]
    found = ".".join(map(str, sys.version_info[:3]))
    ok = PYTHONS[0] <= version <= PYTHONS[1]
    return Finding("python", ok, found, "" if ok else "Remove .venv and run make with Python 3.11, 3.12 or 3.13.")


def _settings(settings: Settings) -> Finding:
    try:
        for name in [name for name in vars(Settings) if not name.startswith("_")]:
            getattr(settings, name)
        ports = [
            settings.local.kafka_port,
            settings.local.kafka_port + 1,
            settings.local.spark_port,
            settings.local.warehouse_port,
        ]
        ports += [settings.local.dagster_port, settings.local.dagster_port + 1]
        ports += [settings.local.minio_port] if settings.lake.store == "minio" else []
    except StockAssetsError as error:
        return Finding("settings", False, str(error), f"Mend it in {settings.home / '.env'} or the environment.")
    if len(set(ports)) < len(ports):
        cure = "Set KAFKA_PORT and DAGSTER_PORT (each takes the next one too), SPARK_PORT, WAREHOUSE_PORT, MINIO_PORT apart."
        return Finding("settings", False, f"two services want the same port: {sorted(ports)}", cure)
    if strange := misspelled(settings.values):
        said = "; ".join(f"nobody reads {name}: {meant} is meant?" for name, meant in strange.items())
        return Finding("settings", False, said, "Correct the name, or remove it.")
    return Finding("settings", True, f"local data in {settings.local_dir}")


def _java(settings: Settings) -> Finding:
    try:
        java = find_java(settings)
    except StockAssetsError as error:
        return Finding("java", False, str(error))
    passed = f"Passed over: {'; '.join(java.passed_over)}." if java.passed_over else ""
    return Finding("java", True, f"Java {java.major}, {java.binary} ({java.origin})", passed)


def _disk(settings: Settings) -> Finding:
    place = settings.local_dir
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("disk", False, f"{place} cannot be written", "Set STOCK_ASSETS_LOCAL to another folder.")
    free = shutil.disk_usage(place).free
    cure = "" if free >= LEAST_FREE_BYTES else "Make room for 3 GB or set STOCK_ASSETS_LOCAL to another disk."
    return Finding("disk", not cure, f"{free / 1024**3:.1f} GB free at {place}", cure)


def _jars(settings: Settings) -> Finding:
    if present(settings):
        needed = [jar for jar in listed() if jar.folder in folders(settings)]
        return Finding("jars", True, f"{len(needed)} in {settings.jars_dir}, proved when they were fetched")
    cure = "`stock-assets up` fetches them once; that needs a network."
    return Finding("jars", False, f"not complete in {settings.jars_dir}", cure)


def _services(settings: Settings) -> Iterator[Finding]:
    services = Services(settings)
    ports = {
        "kafka": ("KAFKA_PORT", settings.local.kafka_port, settings.local.kafka_port + 1),
        "minio": ("MINIO_PORT", settings.local.minio_port),
        "spark": ("SPARK_PORT", settings.local.spark_port),
        "warehouse": ("WAREHOUSE_PORT", settings.local.warehouse_port),
        "dagster-webserver": ("DAGSTER_PORT", settings.local.dagster_port),
    }
    states = {each.name: each for each in services.status()}
    for name in names_of(settings):
        state = states[name]
        if state.state != "running":
            setting, *wanted = ports.get(name, ("",))
            taken = [port for port in wanted if not readiness.port_free(int(port))]
            if taken:
                cure = f"End that program or set {setting} to a free port, then `stock-assets up`."
                yield Finding(name, False, f"{state.state}, and another program has port {taken[0]}", cure)
            else:
                yield Finding(name, False, state.state, f"`stock-assets up {name}`; its log is {services.log(name)}.")
        elif not _QUESTIONS[name](settings):
            cure = f"See {services.log(name)}; `stock-assets down` and `up` start it afresh."
            yield Finding(name, False, f"runs as {state.pid} but does not answer at {state.address}", cure)
        else:
            yield Finding(name, True, f"answers at {state.address}" if state.address != "-" else "heartbeats are fresh")
    for name in publishers_of(settings):
        yield _publisher(states[name], services.log(name))
    if states["dagster-webserver"].state == "running":
        error = readiness.code_location_error(settings)
        cure = "`.venv/bin/dagster definitions validate -w workspace.yaml` shows all of it." if error else ""
        yield Finding("definitions", not error, error or "loaded", cure)


def _registry(settings: Settings) -> Iterator[Finding]:
    """How our schemas stand to those of the schema registry, when one is set."""
    if settings.broker.registry is None:
        return
    from stock_assets.topic.schema_registry import standing
    from stock_assets.topic.topics import topics_of

    for topic in topics_of(settings.broker).values():
        try:
            yield Finding("schema-registry", True, standing(settings.broker.registry, topic))
        except TransientError as error:
            yield Finding("schema-registry", False, str(error), "Start it, or mend SCHEMA_REGISTRY_URL.")
            return  # it would say the same of each topic
        except StockAssetsError as error:
            yield Finding("schema-registry", False, str(error))


def _publisher(state: ServiceState, log: Path) -> Finding:
    verdict = state.verdict
    found = verdict.because if verdict is not None else state.state
    if verdict:
        return Finding(state.name, True, found)
    cures = {
        "stopped": f"`stock-assets up {state.name}` starts it.",
        "exited": f"Mend that, then `stock-assets up {state.name}`; its log is {log}.",
        "fatal": f"Mend that, then `stock-assets up {state.name}`; its log is {log}.",
    }
    return Finding(state.name, False, found, cures.get(state.state, f"It goes on trying by itself; its log is {log}."))


def _spark_answers(settings: Settings) -> bool:
    """A port may be open in a server that hangs, so here a query is asked, too slow a thing for waiting in ``up``."""
    if not readiness.spark(settings):
        return False
    from pyspark.sql import SparkSession

    try:
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{settings.local.spark_port}").getOrCreate()
        try:
            return bool(session.range(3).count() == 3)
        finally:
            session.stop()
    except Exception:  # noqa: BLE001 - whatever it is, the answer is no
        return False


def _warehouse_answers(settings: Settings) -> bool:
    from stock_assets.warehouse.connect import connect

    try:
        with connect(settings.snowflake) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except Exception:  # noqa: BLE001 - whatever it is, the answer is no
        return False


def _minio_answers(settings: Settings) -> bool:
    """Not only that it lives: that it lets these settings in."""
    from stock_assets.lake.store import bucket_exists

    try:
        bucket_exists(settings.lake_root)
    except StockAssetsError:
        return False
    return True


_QUESTIONS: dict[str, Callable[[Settings], bool]] = {
    **readiness.READY,
    "minio": _minio_answers,
    "spark": _spark_answers,
    "warehouse": _warehouse_answers,
}
