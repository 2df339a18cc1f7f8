"""the data of a platform -> a folder from which it can be restored.

Belongs here: that nothing writes meanwhile, room, and copying each part (``holdings``). The services are stopped for as
long as the copy takes: only then do the topics, the lake's offsets, Dagster's records and the positions of publishers
belong to one moment, and only then may the files of PostgreSQL and DuckDB be copied at all.
Does not belong here: the backup's form (``backup_contents``), and putting it back (``restore``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.local.backup_contents import Entry, copy, write
from stock_assets.local.holdings import Part, files_of, left_out, megabytes, parts, size_of
from stock_assets.local.processes import owned
from stock_assets.local.progress import telling
from stock_assets.local.services import Services
from stock_assets.release import release
from stock_assets.settings.platform import Settings

SPARE_BYTES = 64 << 20
SECRET = 0o600
"""Rights of ``.env`` in a backup, whatever it has: it may hold secrets."""


@dataclass(frozen=True)
class Backup:
    """What was written."""

    files: int
    size: int
    left_out: list[str]


def back_up(settings: Settings, folder: Path, say: Callable[[str], None] = lambda _: None) -> Backup:
    """Copy everything that could not be made again into a new folder; services that ran are started again.

    Raises:
        PermanentError: the folder is no place for it, is in use, or has too little room.
        ServiceUnavailable: something wrote while it was copied; there is no backup then.
    """
    folder = folder.expanduser().resolve()
    found = [part for part in parts(settings) if part.place.exists()]
    _check(settings, folder, found)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made_at, entries = datetime.now(UTC).isoformat(timespec="seconds"), list[Entry]()
    with stopped(settings, say):
        for part in found:
            copied = [0, 0]

            def progress(seconds: float, name: str = part.name, copied: list[int] = copied) -> str:
                return f"backup     {name}: {copied[0]:,} files, {megabytes(copied[1])}, {seconds:.0f} s"

            with telling(say, progress) as report:
                for entry in _copied(part, folder):
                    entries.append(entry)
                    copied[0] += entry.digest != "folder"
                    copied[1] += entry.size
                report(f"backup     {part.name}: {copied[0]:,} files, {megabytes(copied[1])}")
        if owned(settings.local_dir):
            raise ServiceUnavailable(f"Services were started while they were copied; remove {folder} and try again.")
        told = left_out(settings)
        write(folder, made_at, release(), told, entries)
    return Backup(sum(entry.digest != "folder" for entry in entries), sum(entry.size for entry in entries), told)


@contextmanager
def stopped(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """No service runs meanwhile; afterwards those run that ran before, also after a failure."""
    services = Services(settings, say)
    ran = [each.name for each in services.status() if each.pid]
    services.down()
    try:
        yield
    finally:
        if ran:
            services.up(ran)


def _check(settings: Settings, folder: Path, found: list[Part]) -> None:
    if settings.local.container:
        raise PermanentError(
            "In containers the data is in the engine's volumes: docs/housekeeping.md says how to back these up."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PermanentError(f"{folder} is not empty: name a new folder; what is in it may be an older backup.")
    for place in (settings.local_dir.resolve(), *(part.place for part in found)):
        if folder.is_relative_to(place) or place.is_relative_to(folder):
            raise PermanentError(
                f"{folder} is no place for a backup of {place}: name a folder elsewhere, best on another disk."
            )
    if not found:
        raise PermanentError(f"There is nothing to back up in {settings.local_dir}.")
    above = next(each for each in (folder, *folder.parents) if each.exists())
    needed, free = sum(size_of(part.place)[1] for part in found) + SPARE_BYTES, shutil.disk_usage(above).free
    if free < needed:
        raise PermanentError(f"{megabytes(needed)} are needed at {folder}, {megabytes(free)} are free.")


def _copied(part: Part, folder: Path) -> Iterator[Entry]:
    for source in files_of(part.place):
        below = source.relative_to(part.place)
        if not (source.is_file() or source.is_dir() or source.is_symlink()):
            continue  # a socket of something that ended
        before = source.lstat()
        entry = copy(source, folder / part.name / below, SECRET if part.name == "settings" else None)
        after = source.lstat()
        if source.is_file() and (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ServiceUnavailable(
                f"{source} was written to while it was copied; stop what does so, remove {folder}, try again."
            )
        yield replace(entry, path=str((Path(part.name) / below).as_posix()))
