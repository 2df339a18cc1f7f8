"""a fresh checkout -> everything that `dagster dev` needs beforehand.

Belongs here: jars, Dagster's home, and the line of ``.env`` that tells Dagster where that is.
Does not belong here: packages (the Makefile), and running anything (``services``).
"""

from __future__ import annotations

from collections.abc import Callable

from stock_assets.local.dagster import ensure_home
from stock_assets.local.jars import fetch
from stock_assets.local.preconditions import check_room
from stock_assets.settings.platform import Settings


def prepare(settings: Settings, say: Callable[[str], None]) -> None:
    """Fetch, create and write what is missing. Later calls change nothing.

    Raises:
        PermanentError: no Java, no room, or a file cannot be written.
        ServiceUnavailable: the jars cannot be fetched.
    """
    check_room(settings)
    fetch(settings, say)
    home = ensure_home(settings)
    if not settings.dagster.home:
        # Dagster reads it before any of our code is loaded
        file = settings.home / ".env"
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        separator = "" if not before or before.endswith("\n") else "\n"
        file.write_text(f"{before}{separator}DAGSTER_HOME='{home}'\n", encoding="utf-8")
        say(f"dagster    home {home}, written into {file}")
