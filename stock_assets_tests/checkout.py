"""nothing -> where this checkout is.

Belongs here: the folder whose files the tests read and in which they run commands, and the pages for its users.
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def documentation_pages() -> list[Path]:
    """README, docs and the other pages at the top."""
    return sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
