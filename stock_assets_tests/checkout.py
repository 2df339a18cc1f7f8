"""nothing -> where this checkout is.

Belongs here: the folder whose files the tests read and in which they run commands, the pages for its users, and what its code
imports.
"""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def documentation_pages() -> list[Path]:
    """README, docs and the other pages at the top."""
    return sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after an import."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
