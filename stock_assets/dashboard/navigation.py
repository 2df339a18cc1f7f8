"""the six pages -> one application.

Belongs here: which pages there are, what they share, and that whatever goes wrong on one of them is a sentence there.
Does not belong here: what a page shows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import streamlit as st

from stock_assets.dashboard import data
from stock_assets.dashboard.header import header
from stock_assets.dashboard.health import health
from stock_assets.dashboard.live import live
from stock_assets.dashboard.market import market
from stock_assets.dashboard.marks import say, styles
from stock_assets.dashboard.pipeline import pipeline
from stock_assets.dashboard.quality import quality
from stock_assets.dashboard.symbol import symbol
from stock_assets.domain.errors import StockAssetsError
from stock_assets.settings.platform import Settings

log = logging.getLogger(__name__)
Page = Callable[[Settings], None]
PAGES: dict[str, tuple[Page, str, str]] = {
    "market": (market, "Market", ":material/grid_view:"),
    "symbol": (symbol, "Symbol", ":material/candlestick_chart:"),
    "live": (live, "Now", ":material/bolt:"),
    "quality": (quality, "Quality", ":material/verified:"),
    "pipeline": (pipeline, "Pipeline", ":material/conversion_path:"),
    "health": (health, "Health", ":material/monitor_heart:"),
}
"""Address, page, title and icon; the first is what a visitor without an address sees."""


def show() -> None:
    """Draw the page that the visitor's address names."""
    st.set_page_config(page_title="stock_assets", page_icon="📈", layout="wide", initial_sidebar_state="auto")
    st.html(styles())
    pages = {
        name: st.Page(_guarded(name, page), title=title, icon=icon, url_path=name, default=name == "market")
        for name, (page, title, icon) in PAGES.items()
    }
    st.session_state["pages"] = pages
    st.navigation(list(pages.values()), position="top").run()


def _guarded(name: str, page: Page) -> Callable[[], None]:
    def run() -> None:
        try:
            place = data.settings()
            header(place, name)
            page(place)
        except StockAssetsError as told:
            say(str(told), "failed")
        except Exception:
            log.exception("The page %s cannot be drawn.", name)
            say(
                "This page cannot be drawn: an error that nobody foresaw. The dashboard's log has it in full.", "failed"
            )

    return run
