"""settings -> the dashboard's running server.

Belongs here: how Streamlit is told to serve: on loopback, to known hosts, without telemetry; and what is imported and read before
the first visitor comes.
Does not belong here: pages (``app`` and beyond).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

HERE = Path(__file__).parent
ASSETS = "/candles"
HEAVY = ("pandas", "pyarrow.dataset", "duckdb", "deltalake", "plotly.graph_objects", "plotly.express")
"""What pages import, in the order in which it is imported before anybody asks."""
READ_FIRST_S = 10
"""How long visitors wait for the first reading at most: who comes during it waits longer than for the rest of it."""
_M_ARENA_MAX = -8
"""In glibc's malloc.h."""
log = logging.getLogger(__name__)

LIGHT = {
    "primaryColor": "#0072B2",
    "backgroundColor": "#FFFFFF",
    "secondaryBackgroundColor": "#F3F5F8",
    "textColor": "#1B2430",
}
DARK = {
    "primaryColor": "#56B4E9",
    "backgroundColor": "#10151C",
    "secondaryBackgroundColor": "#1A212B",
    "textColor": "#E6EBF2",
}


def options(settings: Settings, address: str = "127.0.0.1") -> dict[str, Any]:
    """Streamlit's options; files and variables of Streamlit's own cannot change these.

    Args:
        address: to listen on; another than loopback is for containers, whose ports are published on loopback only.
    """
    themes = {
        f"theme.{name}.{key}": value for name, of in (("light", LIGHT), ("dark", DARK)) for key, value in of.items()
    }
    return {
        "server.address": address,
        "server.port": settings.local.dashboard_port,
        "server.headless": True,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.allowedHosts": list(settings.dashboard.hosts),
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.maxUploadSize": 1,
        "server.disconnectedSessionTTL": 15,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "global.developmentMode": False,
        **themes,
    }


def keep_memory_together() -> None:
    """Have all threads, and Arrow, take memory from two pools; to be called before Arrow is imported.

    Each visit is a thread. With glibc's eight pools for each processor, a hundred visits leave gaps in all of them, which no later
    visit fills; so does Arrow's own allocator, which has a pool for each thread.
    """
    import ctypes

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):  # another C library has no such pools
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def warm(settings: Settings) -> None:
    """Import what pages need, then read what the first pages show; what cannot be read now is not missed."""
    for name in HEAVY:
        import_module(name)
    import_module("stock_assets.dashboard.navigation")

    def read() -> None:
        from stock_assets.dashboard import data

        try:
            for part in (data.market, data.stocks, data.availability, data.withheld, data.symbols, data.written):
                part(settings)
            for symbol in data.symbols(settings)[:1]:
                data.history(settings, symbol, "splits")
                data.actions(settings, symbol)
        except Exception as away:  # noqa: BLE001 - the page itself will say it
            log.info("Nothing was read before the first visitor: %s", away)

    first = threading.Thread(target=read, name="first read", daemon=True)
    first.start()
    first.join(READ_FIRST_S)


def serve(address: str = "127.0.0.1") -> None:
    """Serve until the process is ended."""
    keep_memory_together()
    settings = load_and_export()
    warm(settings)
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    @asynccontextmanager
    async def alive(_: Any) -> AsyncGenerator[dict[str, Any]]:
        print(f"The dashboard is at http://127.0.0.1:{settings.local.dashboard_port}", flush=True)
        yield {}

    app = st.App(
        HERE / "app.py",
        lifespan=alive,
        routes=[Mount(ASSETS, StaticFiles(directory=HERE / "lightweight_charts"))],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.dashboard.hosts))],
    )
    app.run(config=options(settings, address))


if __name__ == "__main__":
    serve(*sys.argv[1:])
