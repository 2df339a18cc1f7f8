"""ticks as they come, windows -> the live page.

Belongs here: what stands where, and how often each part is drawn. One consumer serves all viewers of a server.
Does not belong here: receiving (``live.prices``), what may be called live (``domain.liveness``), numbers of windows (``live``).
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.choices import one_of
from stock_assets.dashboard.live_numbers import Latest, bars_of, latest_windows, session_bars
from stock_assets.domain.liveness import liveness
from stock_assets.domain.universe import is_simulated
from stock_assets.live.prices import LastPrice, LastPrices
from stock_assets.settings.kafka import Broker
from stock_assets.settings.platform import Settings

HERE = Path(__file__).parent
PRICES_EVERY_S, CANDLES_EVERY_S, WINDOWS_EVERY_S = 0.5, 2.0, 10.0
HEIGHT = 420
SHOWN = 40
FICTIONAL = "fictional: symbols like SIM0 are invented by the simulator"


_shared: dict[str, LastPrices] = {}
_sharing = threading.Lock()


def _prices(broker: Broker) -> LastPrices:
    """The one consumer of this server, made for its first viewer."""
    with _sharing:
        if broker.bootstrap not in _shared:
            _shared[broker.bootstrap] = LastPrices(broker).start()
        return _shared[broker.bootstrap]


def live(place: Settings) -> None:
    """Draw the page."""
    prices = _prices(place.broker)
    paused = bool(st.session_state.get("paused"))
    every = None if paused else PRICES_EVERY_S
    left, right = st.columns([2, 3])
    with left:
        st.fragment(_last, run_every=every)(prices)
    with right:
        known = prices.prices()
        names = sorted({each.symbol for each in known})
        if not names:
            st.fragment(_await, run_every=every)(prices)
            return
        chosen = one_of("symbol", "Symbol", names, names[0])
        source = max((each for each in known if each.symbol == chosen), key=lambda each: each.traded).source
        st.fragment(_candles, run_every=None if paused else CANDLES_EVERY_S)(place, prices, chosen, source)
        st.fragment(_windows, run_every=None if paused else WINDOWS_EVERY_S)(place, chosen, source)


def _await(prices: LastPrices) -> None:
    if prices.prices():
        st.rerun()


def _last(prices: LastPrices) -> None:
    now = datetime.now(UTC)
    if prices.failed:
        marks.say(prices.failed, "failed")
    feeds = prices.feeds()
    states = {name: liveness(feed.traded, feed.arrived, now) for name, feed in feeds.items()}
    badges = [marks.badge(each.state, f"{name}: {each.text}") for name, each in states.items()]
    if not badges:
        nothing = liveness(None, None, now)
        badges = [marks.badge(nothing.state, nothing.text)]
    known = prices.prices()
    fictional = f'<p class="sa-quiet">{marks.text(FICTIONAL)}</p>' if any(is_simulated(p.symbol) for p in known) else ""
    rows = [_row(each, now) for each in sorted(known, key=lambda each: each.traded, reverse=True)[:SHOWN]]
    table = marks.table(["Symbol", "Price", "", "Age", "Source"], sorted(rows), "Last prices") if rows else ""
    drawn = max((each.arrived for each in known), default=None)
    age = "" if drawn is None else f'data-age="{(now - drawn).total_seconds():.3f}"'
    st.html(f'<div class="sa-line" id="feeds" role="status" {age}>{"".join(badges)}</div>{fictional}{table}')


def _row(price: LastPrice, now: datetime) -> list[object]:
    move = "▲" if price.price > price.previous else "▼" if price.price < price.previous else ""
    return [
        price.symbol,
        f"{price.price:,.2f}",
        move,
        f"{max((now - price.traded).total_seconds(), 0):,.0f} s",
        price.source,
    ]


def _candles(place: Settings, prices: LastPrices, symbol: str, source: str) -> None:
    bars = bars_of(session_bars(place, symbol, source), prices.minutes(symbol, source))
    given = {"bars": [list(bar) for bar in bars], "symbol": symbol, "colours": marks.palette()._asdict()}
    _component()(data=given, key="live_candles", height=HEIGHT)


def _windows(place: Settings, symbol: str, source: str) -> None:
    found = latest_windows(place, symbol, source)
    if not found:
        marks.say("No windows of this symbol yet; the service `stream` computes them once a minute.")
        return
    st.html(marks.table(["", *Latest.labels()], [each.cells() for each in found], "Windows"))


@cache
def _component() -> Any:
    return st.components.v2.component(
        "stock_assets_live_candles",
        html='<div class="frame"><div class="chart" tabindex="0" role="img"></div></div>',
        css=".frame, .chart { width: 100%; height: 100%; } .frame { height: 420px; }",
        js=(HERE / "live_candles.js").read_text(encoding="utf-8"),
    )
