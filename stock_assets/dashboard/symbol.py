"""one symbol -> the symbol page: candles and what belongs to them.

Belongs here: the choices (symbol, range, adjustment), which the address keeps, and what stands where.
Does not belong here: the numbers (``symbol_numbers``), the chart's script (``candles``).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import streamlit as st

from stock_assets.dashboard import data, marks
from stock_assets.dashboard.candles import show_candles
from stock_assets.dashboard.choices import one_of
from stock_assets.dashboard.figures import absent
from stock_assets.dashboard.symbol_numbers import (
    RANGES,
    Level,
    action_marks,
    first_shown,
    held_name,
    momentum,
    pattern_marks,
    volume_profile,
)
from stock_assets.domain.source_names import vendor_of
from stock_assets.reading.adjusted import CHOICES, Adjusted
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    import pandas as pd

ADJUSTMENTS = {"splits": "splits", "all": "splits and dividends", "none": "as traded"}
BASIS = {
    "splits": "prices in today's shares",
    "all": "prices in today's shares, less dividends",
    "none": "prices as traded",
}


def symbol(place: Settings) -> None:
    """Draw the page."""
    names = data.symbols(place)
    if not names:
        marks.say(data.NO_METRICS)
        return
    asked = st.query_params.get("symbol")
    if asked is not None and (name := held_name(asked, names, place.universe)):
        st.query_params["symbol"] = name
    left, middle, right = st.columns([2, 3, 3], vertical_alignment="bottom")
    with left:
        chosen = one_of("symbol", "Symbol", names, names[0])
    with middle:
        span = one_of("range", "Range", RANGES, "1Y", flat=True)
    with right:
        adjusted = cast("Adjusted", one_of("adjusted", "Prices", CHOICES, "splits", ADJUSTMENTS, flat=True))
    rows = data.history(place, chosen, adjusted)
    if rows.empty:
        marks.say(f"{chosen} has no session that readers may see.")
        return
    st.html(_head(place, chosen, rows))
    first = first_shown(rows["trading_day"], span)
    actions = action_marks(data.actions(place, chosen), vendor_of(str(rows["source"].iloc[-1])))
    seen = pattern_marks(data.patterns(place, chosen), data.base_rates(place))
    show_candles(chosen, rows, first, [*actions, *seen], BASIS[adjusted])
    shown = rows.iloc[first:]
    left, right = st.columns([2, 3])
    with left:
        st.html('<div class="sa-title">Volume by price</div>')
        st.html(_profile(volume_profile(shown)))
    with right:
        st.html('<div class="sa-title">Momentum</div>')
        st.html(_momentum(rows))
        recent = [[f"{each.day}", each.kind, each.text] for each in reversed(actions)][:8]
        if recent:
            st.html(marks.table(["Ex-date", "Action", ""], recent, "Splits and dividends"))
        name = "".join(letter if letter.isalnum() else "_" for letter in chosen)
        st.download_button(
            "CSV",
            lambda: _csv(shown),
            f"{name}_{span}_{adjusted}.csv",
            "text/csv",
            icon=":material/download:",
            key="csv",
        )


def _head(place: Settings, chosen: str, rows: pd.DataFrame) -> str:
    last = rows.iloc[-1]
    stocks = data.stocks(place)
    known = stocks[stocks["symbol"] == chosen]
    about = " · ".join(str(value) for value in known[["name", "sector"]].iloc[0]) if len(known) else ""
    judged = data.availability(place)
    own = judged[(judged["symbol"] == last["symbol"]) & (judged["trading_day"] == last["trading_day"])]
    state = marks.badge(str(own["availability"].iloc[0]), str(own["because"].iloc[0])) if len(own) else ""
    change = last["change_percent"]
    moved = "" if absent(change) else marks.signed(float(change), unit=" %")
    tone = "down" if moved.startswith("−") else "up"
    return (
        f'<div class="sa-line"><span class="sa-title sa-symbol">{marks.text(chosen)}</span>'
        f'<span class="sa-quiet">{marks.text(about)}</span>'
        f'<span class="sa-title sa-close">{last["close"]:,.2f}</span>'
        f'<span class="sa-badge sa-{tone}">{moved}</span><span class="sa-quiet">{last["trading_day"]:%a %Y-%m-%d}</span>{state}</div>'
    )


def _momentum(rows: pd.DataFrame) -> str:
    moved = momentum(rows["close"])
    shown = [
        marks.tile(each.label, "–" if each.percent is None else marks.signed(each.percent, 1, " %")) for each in moved
    ]
    last = rows.iloc[-1]
    for label, name in (("Below 52-week high", "high_52_week"), ("Above 52-week low", "low_52_week")):
        edge = last[name]
        known = not absent(edge) and edge
        shown.append(marks.tile(label, f"{abs(100 * (last['close'] / edge - 1)):.1f} %" if known else "–"))
    volatility = last["volatility_20"]
    shown.append(marks.tile("Volatility, 20 sessions", "–" if absent(volatility) else f"{100 * volatility:.0f} %"))
    return marks.tiles(shown)


def _profile(levels: list[Level]) -> str:
    """Bars of HTML, dearest first. Plotly's script alone takes a browser longer than all else on this page, and is not loaded for them."""
    most = max((level.volume for level in levels), default=0.0) or 1.0
    bars = "".join(
        f'<div title="{level.low:,.2f} to {level.high:,.2f}: {level.volume:,.0f} shares">'
        f'<span>{level.low:,.2f}</span><i style="width:{100 * level.volume / most:.1f}%"></i></div>'
        for level in reversed(levels)
    )
    return f'<div class="sa-profile">{bars}</div>'


def _csv(rows: pd.DataFrame) -> bytes:
    """The rows as `stock-assets export` would write them: no text of them is a formula."""
    import pyarrow as pa

    from stock_assets.reading.csv_text import write_csv

    table = pa.Table.from_pandas(rows.assign(trading_day=rows["trading_day"].dt.date), preserve_index=False)
    written = io.StringIO()
    write_csv(table.to_batches(), table.column_names, written)
    return written.getvalue().encode("utf-8-sig")
