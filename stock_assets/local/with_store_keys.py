"""settings -> a command that finds the keys of the object store in its environment.

Belongs here: handing secrets to programs that do not read ``.env`` themselves (MinIO and Spark), so that none is written
into supervisor's configuration or shown in the list of processes.
Does not belong here: which keys there are (``settings``), and what the commands are (programs.py).
"""

from __future__ import annotations

import os
import sys

from stock_assets.settings.lake import LOCAL_KEY, LOCAL_SECRET
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import s3_environment


def keys(settings: Settings) -> dict[str, str]:
    """What Amazon's clients read, and under MinIO's own names what its server lets in."""
    found = s3_environment(settings)
    if settings.lake.store != "minio":
        return found
    account = {
        "MINIO_ROOT_USER": found.get("AWS_ACCESS_KEY_ID", LOCAL_KEY),
        "MINIO_ROOT_PASSWORD": found.get("AWS_SECRET_ACCESS_KEY", LOCAL_SECRET),
    }
    return found | account


def main() -> None:
    """Become the command."""
    command = sys.argv[1:]
    settings = Settings.load()
    os.environ.update(keys(settings))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
