"""the newest sessions -> the market page: cards, breadth, heat map, movers.

Belongs here: what stands where on the page. Does not belong here: the numbers (``market_numbers``), the cards' script (``cards``), the map (``heat_map``).
"""

from __future__ import annotations

import streamlit as st

from stock_assets.dashboard import data, marks
from stock_assets.dashboard.cards import show_cards
from stock_assets.dashboard.heat_map import heat_map
from stock_assets.dashboard.market_numbers import Breadth, Card, breadth, cards, movers, of_newest
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.stocks import STOCK_STATEMENTS
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS
from stock_assets.settings.platform import Settings

SHOWN = 48
MOVERS = 5


def market(place: Settings) -> None:
    """Draw the page."""
    rows = data.market(place)
    if rows.empty:
        marks.say(data.NO_METRICS)
        return
    parts = data.stocks(place), data.availability(place), data.withheld(place)
    tables = (DAILY_METRICS, DAILY_BARS, RAW_ACTIONS, AVAILABILITY, STOCK_STATEMENTS)
    every = data.remembered(place, "cards", tables, (), lambda: cards(rows, *parts))
    st.html(_breadth(breadth(of_newest(rows))))
    sectors = sorted({card.sector for card in every})
    left, right = st.columns([2, 3])
    wanted = left.text_input("Find", placeholder="symbol or name", key="find", label_visibility="collapsed")
    chosen = right.multiselect(
        "Sectors", sectors, key="sectors", placeholder="all sectors", label_visibility="collapsed"
    )
    shown = [card for card in every if _wanted(card, wanted, chosen)]
    whole = st.session_state.get("whole", False)
    page = shown if whole else shown[:SHOWN]
    if symbol := show_cards(page):
        st.switch_page(st.session_state["pages"]["symbol"], query_params={"symbol": symbol})
    if not shown:
        marks.say("No symbol or name is like that.")
    if len(shown) > SHOWN:
        st.toggle(f"Show all {len(shown)} symbols", key="whole")
    left, right = st.columns([3, 2])
    with left:
        st.html('<div class="sa-title">By sector</div>')
        st.html(heat_map(shown or every))
    with right:
        st.html('<div class="sa-title">Movers</div>')
        rose, fell = movers(every, MOVERS)
        st.html(marks.table(["Symbol", "Name", "Close", "Change"], map(_mover, (*rose, *reversed(fell))), "Movers"))


def _wanted(card: Card, text: str, sectors: list[str]) -> bool:
    like = text.strip().lower()
    return (not sectors or card.sector in sectors) and (like in card.symbol.lower() or like in card.name.lower())


def _breadth(found: Breadth) -> str:
    change = "–" if found.median_change is None else marks.signed(found.median_change, unit=" %")
    return marks.tiles(
        [
            marks.tile("Rose", f"{found.rose:,}", f"of {found.symbols:,} symbols", "up"),
            marks.tile("Fell", f"{found.fell:,}", f"{found.unchanged:,} unchanged", "down"),
            marks.tile("Median change", change),
            marks.tile("Above 50-day average", _percent(found.above_50)),
            marks.tile("Above 200-day average", _percent(found.above_200)),
            marks.tile("52-week highs and lows", f"{found.highs:,} / {found.lows:,}"),
        ]
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _mover(card: Card) -> list[object]:
    return [card.symbol, card.name, f"{card.close:,.2f}", marks.signed(card.change or 0.0, unit=" %")]
