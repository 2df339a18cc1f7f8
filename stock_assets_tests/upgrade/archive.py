"""what commit 998730c left -> a copy to open.

Belongs here: where it is, and how it is unpacked. ``fill_998730c.py`` made it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).with_name("998730c.tar.xz")


def unpack(folder: Path) -> str:
    """Put ``lake`` and ``warehouse`` into the folder; the lake's root."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.0 to 3.11.3 have none
        archive.extractall(folder)
    return str(folder / "lake")
