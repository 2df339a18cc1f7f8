"""a backup's folder <-> the list of what is in it.

Belongs here: the list's form, and telling a complete backup from a half-written or damaged one. A backup is a folder with
one folder for each part, and ``backup.json``, which is written last: without it nobody takes the folder for a backup.
Does not belong here: copying (``backup``, ``restore``).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stock_assets.domain.errors import PermanentError

LIST = "backup.json"
FORM = 1
"""Counted up when an older release could not restore what a newer one wrote."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One file, folder or link.

    Attributes:
        path: below the backup's folder, its first word is the part's name.
        mode: its rights, as ``chmod`` takes them.
        size: bytes of a file; 0 of others.
        digest: SHA-256 of a file, ``folder``, or ``link to ...``.
    """

    path: str
    mode: int
    size: int
    digest: str

    @property
    def part(self) -> str:
        return self.path.partition("/")[0]


@dataclass(frozen=True)
class Contents:
    """What a backup holds.

    Attributes:
        made_at: ISO 8601, UTC.
        machine: the processor's kind; PostgreSQL's files fit one kind only.
        left_out: sentences on what is kept elsewhere.
    """

    made_at: str
    release: str
    machine: str
    left_out: Sequence[str]
    entries: Sequence[Entry]

    @property
    def parts(self) -> list[str]:
        return list(dict.fromkeys(entry.part for entry in self.entries))


def copy(source: Path, target: Path, mode: int | None = None) -> Entry:
    """Copy one file, folder (without its content) or link; what is copied keeps its time and rights, or gets ``mode``.

    Returns its entry, named by the target's path.

    Raises:
        OSError: it cannot be read or written.
    """
    status = source.lstat()
    rights = stat.S_IMODE(status.st_mode) if mode is None else mode
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return Entry(str(target), rights, 0, f"link to {os.readlink(source)}")
    if source.is_dir():
        target.mkdir(mode=0o700)
        # its owner may write into it until all is copied; the entry tells the rights it had
        return Entry(str(target), rights, 0, "folder")
    digest = hashlib.sha256()
    with (
        source.open("rb") as read,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights & 0o700), "wb") as to,
    ):
        while block := read.read(_BLOCK):
            digest.update(block)
            to.write(block)
        os.fchmod(to.fileno(), rights)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return Entry(str(target), rights, status.st_size, digest.hexdigest())


def write(folder: Path, made_at: str, release: str, left_out: Sequence[str], entries: Sequence[Entry]) -> None:
    """Make the folder a backup, once everything in it has reached the disk."""
    os.sync()
    told = {
        "form": FORM,
        "made_at": made_at,
        "release": release,
        "machine": platform.machine(),
        "left_out": list(left_out),
        "entries": [asdict(entry) for entry in entries],
    }
    new = folder / f"{LIST}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump(told, file, indent=0)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / LIST)


def read(folder: Path) -> Contents:
    """The list of a complete backup.

    Raises:
        PermanentError: the folder is none, was not written to its end, is damaged, or is of a newer release.
    """
    if not (folder / LIST).is_file():
        half = "was broken off while it was written" if folder.is_dir() and any(folder.iterdir()) else "is none"
        raise PermanentError(f"{folder} holds no complete backup: it has no {LIST}, so it {half}.")
    try:
        told = json.loads((folder / LIST).read_text(encoding="utf-8"))
        if told["form"] != FORM:
            raise PermanentError(
                f"{folder} was written by release {told['release']}, whose form this one does not know."
            )
        entries = [Entry(**entry) for entry in told["entries"]]
        return Contents(told["made_at"], told["release"], told["machine"], told["left_out"], entries)
    except (ValueError, KeyError, TypeError) as broken:
        raise PermanentError(f"{folder / LIST} is damaged: {broken}") from None


def check_same(folder: Path, expected: Entry, found: Entry) -> None:
    """Refuse a file that is not as the list says.

    Raises:
        PermanentError: it differs; the text names it.
    """
    if (expected.size, expected.digest) != (found.size, found.digest):
        raise PermanentError(
            f"{folder / expected.path} is damaged: it is not what was backed up. Nothing was restored."
        )
