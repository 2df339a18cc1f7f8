"""settings -> whether a container has what it needs, in a sentence where it has not.

Belongs here: what several roles check before they start, and writing a file that containers share. Does not belong here: the roles
(``container``, ``spark_container``).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings

EVERYWHERE = "0.0.0.0"  # of the container; compose publishes ports on loopback only
LEAST_FREE_BYTES = 512 * 1024**2


def check_account(settings: Settings) -> None:
    """Whether a warehouse is named.

    Raises:
        PermanentError: none is.
    """
    if not settings.warehouse.account:
        raise PermanentError(
            "SNOWFLAKE_ACCOUNT is not set: name an account, or start the stand-in as docs/containers.md says"
        )


def check_lake(settings: Settings) -> None:
    """A bucket that answers; created here, as it must be there before two containers look for it.

    Raises:
        PermanentError: the lake is a folder.
    """
    from stock_assets.lake.store import create_bucket

    if not settings.lake_on_s3:
        raise PermanentError(
            f"LAKE_ROOT must be s3://BUCKET/PREFIX for containers, which share no folder: {settings.lake_root}"
        )
    create_bucket(settings.lake_root)


def check_room(folder: Path) -> None:
    """Whether a volume has room to begin with.

    Raises:
        PermanentError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise PermanentError(
            f"Only {free // 1024**2} MB are free in the volume at {folder}, {LEAST_FREE_BYTES // 1024**2} are needed; make room"
        )


def write_at_once(path: Path, text: str) -> None:
    """Write a file that another container may read now."""
    new = path.with_name(f"{path.name}.{os.uname().nodename}")
    new.write_text(text)
    new.replace(path)
