"""settings -> nothing left of a platform's data, and nothing else touched.

Belongs here: which folders go (those of ``holdings`` that lie in ``local_dir``), how large they are, and that they go all at
once. Does not belong here: asking whether that is meant (the command).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.holdings import REBUILT, Part, left_out, parts, size_of
from stock_assets.local.preconditions import unfinished_restore
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings

GOING = "being-deleted"


@dataclass(frozen=True)
class Going:
    """A folder that goes, with its files and their bytes."""

    name: str
    place: Path
    files: int
    size: int


def going(settings: Settings) -> list[Going]:
    """What a reset deletes, in the order of ``holdings``; nothing that is not there.

    Raises:
        PermanentError: the data is in volumes of containers.
    """
    if settings.local.container:
        raise PermanentError(
            "In containers the data is in the engine's volumes: `docker-compose down --volumes` deletes them."
        )
    local = settings.local_dir
    rebuilt = [Part(name, local / name) for name in (*REBUILT, GOING)]
    found = [part for part in (*parts(settings), *rebuilt) if part.place.is_dir() and _is_ours(settings, part.place)]
    return [Going(part.name, part.place, *size_of(part.place)) for part in found]


def stays(settings: Settings) -> list[str]:
    """What is not touched: places outside the platform's own folder, what other services hold, downloads and ``.env``."""
    outside = [part for part in parts(settings) if part.place.exists() and not _is_ours(settings, part.place)]
    told = [f"{part.name} in {part.place}" for part in outside]
    told += [f"{sentence.partition(':')[0]}, kept elsewhere" for sentence in left_out(settings)]
    return [*told, f"downloads in {settings.jars_dir}"]


def reset(settings: Settings, chosen: list[Going], say: Callable[[str], None] = lambda _: None) -> None:
    """Stop the services and delete the folders; one that is broken off leaves all of them gone from their places.

    Raises:
        OSError: a folder cannot be deleted.
    """
    Services(settings, say).down()
    aside = settings.local_dir.resolve() / GOING
    aside.mkdir(exist_ok=True)
    for each in chosen:
        if each.name != GOING and os.path.lexists(each.place):
            target = aside / each.name
            if target.exists():  # of a reset that was broken off
                shutil.rmtree(target)
            each.place.rename(target)
    unfinished_restore(settings).unlink(missing_ok=True)
    shutil.rmtree(aside)


def _is_ours(settings: Settings, place: Path) -> bool:
    """Whether a place lies in the platform's own folder, not by a link; that folder itself is not one, nor what holds the jars."""
    local, jars = settings.local_dir.resolve(), settings.jars_dir.resolve()
    real = place.resolve()
    return real != local and real.is_relative_to(local) and not place.is_symlink() and not jars.is_relative_to(real)
