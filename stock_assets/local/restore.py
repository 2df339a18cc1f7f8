"""a backup -> the data of a platform, as it was.

Belongs here: what is refused, and that the old data stays whole until the new is complete: every file is copied beside its
place and compared with the backup's list first, then whole folders change places. A restore that is broken off in between
leaves a mark; nothing is started on such data, and another restore makes it whole.
Does not belong here: the backup's form (``backup_contents``), and which parts there are (``holdings``).
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.backup_contents import Contents, Entry, check_same, copy, read
from stock_assets.local.holdings import files_of, megabytes, parts
from stock_assets.local.preconditions import unfinished_restore
from stock_assets.local.progress import telling
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings

NEW, OLD = ".restored", ".replaced"
"""What is added to the name of a place while it changes."""


def restore(
    settings: Settings, folder: Path, replace: bool = False, say: Callable[[str], None] = lambda _: None
) -> Contents:
    """Put everything of a backup into its place; services that run are stopped, and stay so.

    Args:
        replace: whether data that is there now may go.

    Raises:
        PermanentError: the folder holds no complete, undamaged backup, or it does not fit here, or there is data already.
            Nothing was changed then.
    """
    folder = folder.expanduser().resolve()
    contents, mark = read(folder), unfinished_restore(settings)
    places = _places(settings, folder, contents)
    holding = {name: place for name, place in places.items() if _holds_data(place)}
    own_settings = holding.get("settings")
    if own_settings is not None:
        del places["settings"], holding["settings"]
        say(f"restore    {own_settings} stays as it is; the backup's is {folder / 'settings'}")
    if holding and not replace and not mark.exists():
        raise PermanentError(
            f"There is data in {', '.join(map(str, holding.values()))}: move it away, or have it replaced with --replace."
        )
    _copy(folder, contents, places, say)
    Services(settings, say).down()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{folder}\n", encoding="utf-8")
    for place in places.values():
        _remove(_beside(place, OLD))
        if os.path.lexists(place):
            place.rename(_beside(place, OLD))
        _beside(place, NEW).rename(place)
    os.sync()
    mark.unlink()
    for place in places.values():
        _remove(_beside(place, OLD))
    return contents


def check(folder: Path) -> Contents:
    """Compare every file of a backup with its list.

    Raises:
        PermanentError: it is not complete, or damaged; the text names the file.
    """
    import hashlib

    folder = folder.expanduser().resolve()
    contents = read(folder)
    for entry in contents.entries:
        path = folder / entry.path
        if entry.digest == "folder" or entry.digest.startswith("link to "):
            continue
        if not path.is_file():
            raise PermanentError(f"{path} is missing.")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        check_same(folder, entry, Entry(entry.path, entry.mode, path.stat().st_size, digest))
    return contents


def _places(settings: Settings, folder: Path, contents: Contents) -> dict[str, Path]:
    """Where each part of the backup goes under these settings."""
    if settings.local.container:
        raise PermanentError(
            "In containers the data is in the engine's volumes: docs/housekeeping.md says how to restore these."
        )
    known = {part.name: part.place for part in parts(settings)}
    if strange := [name for name in contents.parts if name not in known]:
        raise PermanentError(
            f"The backup holds {', '.join(strange)}, but these settings keep that elsewhere: compare yours with {folder / 'settings'}."
        )
    if "postgres" in contents.parts and contents.machine != platform.machine():
        raise PermanentError(
            f"PostgreSQL's files are those of a {contents.machine}, and this is a {platform.machine()}."
        )
    return {name: known[name] for name in contents.parts}


def _holds_data(place: Path) -> bool:
    return any(not each.is_dir() or each.is_symlink() for each in files_of(place))


def _copy(folder: Path, contents: Contents, places: dict[str, Path], say: Callable[[str], None]) -> None:
    """Every file beside its place, compared with the list; what an earlier restore left there goes."""
    for place in places.values():
        _remove(_beside(place, NEW))
        place.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with telling(say, lambda seconds: f"restore    {megabytes(done)}, {seconds:.0f} s"):
        folders = []
        for entry in contents.entries:
            if entry.part not in places:
                continue
            if not os.path.lexists(folder / entry.path):
                raise PermanentError(f"{folder / entry.path} is missing. Nothing was restored.")
            target = _beside(places[entry.part], NEW) / Path(entry.path).relative_to(entry.part)
            check_same(folder, entry, copy(folder / entry.path, target, entry.mode))
            done += entry.size
            folders += [(target, entry.mode)] if entry.digest == "folder" else []
        for target, mode in reversed(folders):
            target.chmod(mode)


def _beside(place: Path, ending: str) -> Path:
    return place.with_name(place.name + ending)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
