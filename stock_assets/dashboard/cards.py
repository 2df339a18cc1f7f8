"""cards -> a grid of links with a sparkline each.

Belongs here: mounting the script, and what it is given. Texts are put into the page as text, by the script.
Does not belong here: which cards (``market_numbers``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.market_numbers import Card

HERE = Path(__file__).parent


def show_cards(cards: list[Card]) -> str | None:
    """Draw them; the symbol of the one that was just chosen."""
    colours = marks.palette()._asdict()
    given = {"cards": [card.payload() for card in cards], "colours": colours, "signs": marks.SIGNS}
    found = _component()(data=given, key="cards", on_chosen_change=_nothing)
    symbol: str | None = found.chosen
    return symbol


def _nothing() -> None:
    """That a card was chosen is told by the component's result."""


@cache
def _component() -> Any:
    return st.components.v2.component(
        "stock_assets_cards",
        html='<div class="cards" role="list"></div>',
        css=(HERE / "cards.css").read_text(encoding="utf-8"),
        js=(HERE / "cards.js").read_text(encoding="utf-8"),
    )
