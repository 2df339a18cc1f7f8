"""what is installed -> the release's name.

Belongs here: telling which release runs, where that is to be recorded. Does not belong here: what it does.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed version; ``source`` where the code is used without being installed, as in the containers."""
    try:
        return version("stock_assets")
    except PackageNotFoundError:
        return "source"
