"""settings -> the folders and files that hold what a platform cannot make again, and those that it can.

Belongs here: which there are, what is not among them, and how large they are. Does not belong here: copying them
(``backup``, ``restore``), deleting them (``reset``), and what lies in one (the service's own module).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import named_files

POSITIONS = ("publishers", "rate_budgets", "observed", "alerts")
"""What publishers, vendors' budgets, the collector and alerts keep, by folder of ``local_dir``."""
REBUILT = ("run", "logs", "spark", "dbt", "stream", "data_docs")
"""Folders of ``local_dir`` whose content is made again when it is missing."""
DOWNLOADS = "jars"
"""Beside them: what was fetched once, for all."""


@dataclass(frozen=True)
class Part:
    """One folder, or the file ``.env``, that holds data; the name is the same on every machine."""

    name: str
    place: Path


def parts(settings: Settings) -> list[Part]:
    """What a backup copies, whether it is there yet or not. A link to a folder elsewhere stands for that folder."""
    local = settings.local_dir
    found = {
        "kafka": local / "kafka" if settings.embedded_kafka else None,
        "postgres": local / "postgres" if settings.runs_postgres else None,
        "minio": local / "minio" if settings.lake.store == "minio" else None,
        "lake": None if settings.lake_on_s3 else Path(settings.lake_root),
        "warehouse": local / "warehouse" if settings.embedded_warehouse else None,
        "dagster": settings.dagster_home,
        **{name: local / name for name in POSITIONS},
        "settings": settings.home / ".env",
    }
    return [Part(name, place.resolve()) for name, place in found.items() if place is not None]


def left_out(settings: Settings) -> list[str]:
    """What these settings keep elsewhere, which is therefore in no backup: a sentence each, with what to do instead."""
    told = []
    if not settings.embedded_kafka:
        told.append(
            "topics: they are your broker's; after they were lost, `stock-assets adopt-topic ticks` (bars, actions) goes on "
            "from new ones"
        )
    if settings.lake_on_s3 and settings.lake.store != "minio":
        told.append(
            f"lake: it is at {settings.lake_root}; let the store keep versions of its objects, or copy the prefix"
        )
    if not settings.embedded_warehouse:
        told.append("warehouse: it is your account's, and is filled again from the lake")
    if not settings.embedded_postgres:
        told.append(
            "Dagster's records: they are in the server of DAGSTER_PG_URL: use pg_dump, or `stock-assets report`"
        )
    if settings.serving.on and not settings.embedded_serving:
        told.append("tables for BI tools: they are in your server, and are filled again from the warehouse")
    told += [f"{name}: the secret's file is not copied" for name in named_files(settings.values)]
    return told


def files_of(place: Path) -> Iterator[Path]:
    """The place itself, then everything below it, folders before what is in them; links are not followed."""
    if not os.path.lexists(place):
        return
    yield place
    if place.is_dir() and not place.is_symlink():
        for entry in sorted(os.scandir(place), key=lambda each: each.name):
            yield from files_of(Path(entry.path))


def size_of(place: Path) -> tuple[int, int]:
    """How many files there are, and their bytes."""
    sizes = [each.lstat().st_size for each in files_of(place) if each.is_file() and not each.is_symlink()]
    return len(sizes), sum(sizes)


def megabytes(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
