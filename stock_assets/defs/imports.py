"""slow imports -> a thread.

Belongs here: loading modules that a run will need later while it waits for something else. Great Expectations and
dagster-snowflake take 7-10 CPU-seconds each.
"""

from __future__ import annotations

import importlib
import os
import threading


def import_meanwhile(*modules: str) -> threading.Thread:
    """Import the modules in the background; a later ``import`` of the same module waits for it.

    A module that cannot be imported fails where it is used, not here.
    """

    def load() -> None:
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
        for module in modules:
            try:
                importlib.import_module(module)
            except ImportError:
                return

    thread = threading.Thread(target=load, name="imports", daemon=True)
    thread.start()
    return thread
