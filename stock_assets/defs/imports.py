"""slow imports -> a thread.

Belongs here: loading modules that a run will need later while it waits for something else. Great Expectations and
dagster-snowflake take 7-10 CPU-seconds each.
"""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress

SHARED = ("sqlalchemy.orm", "pandas", "pyarrow.dataset", "pyspark.sql.connect.session")
"""What the slow modules and the run itself both import: two threads in the same module see it half made."""


def import_meanwhile(*modules: str) -> threading.Thread:
    """Import the modules in the background; a later ``import`` of the same module waits for it.

    A module that cannot be imported fails where it is used, not here.
    """
    for module in SHARED:
        importlib.import_module(module)

    def load() -> None:
        for module in modules:
            with suppress(
                Exception
            ):  # also what a half-made module of another thread raises; its user imports it again
                importlib.import_module(module)

    thread = threading.Thread(target=load, name="imports", daemon=True)
    thread.start()
    return thread
