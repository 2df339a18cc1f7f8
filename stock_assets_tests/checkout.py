"""nothing -> where this checkout is.

Belongs here: the folder whose files the tests read and in which they run commands.
"""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
