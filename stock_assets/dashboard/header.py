"""how old the data is -> the line on top of each page, which looks again by itself.

Belongs here: the age of data, the dot that says whether the page refreshes, the pause, the state of the market.
Does not belong here: the rule for what is stale (``freshness``), reading (``data``).
"""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from stock_assets.dashboard import data, marks
from stock_assets.dashboard.freshness import freshness, market
from stock_assets.domain.errors import StockAssetsError
from stock_assets.observability import kept
from stock_assets.observability.fact import duration
from stock_assets.settings.platform import Settings

EVERY_S = 5
OF_FACTS = ("pipeline", "health")
"""Pages that show what was collected, beside those that show data."""
OF_ITS_OWN = ("live",)
"""Pages whose parts look for themselves."""


def header(place: Settings, page: str) -> None:
    """Draw the line; it is drawn again every few seconds, and the whole page when its data has changed."""
    left, right = st.columns([6, 1], vertical_alignment="center")
    with right:
        paused = st.toggle("Pause", key="paused", help="Stop refreshing this page")
    with left:
        try:
            st.session_state["drawn"] = _seen(place, page)
        except StockAssetsError:
            st.session_state["drawn"] = (
                None  # the line goes on looking, and draws the page once there is something to see
            )
        st.fragment(_line, run_every=None if paused else EVERY_S)(place, page, paused)


def _line(place: Settings, page: str, paused: bool) -> None:
    now = datetime.now(UTC)
    parts = []
    try:
        seen = _seen(place, page)
        if seen != st.session_state.get("drawn") and not paused:
            st.rerun()
        parts.append(marks.badge("paused", "paused") if paused else marks.badge("current", "refreshing"))
        written = data.written(place)
        age = freshness(written.newest, written.at, now)
        parts.append(marks.badge(age.state, age.text))
        if page in OF_FACTS:
            parts.append(_collected(place, now))
    except StockAssetsError as away:
        parts.append(marks.badge("failed", f"cannot look: {away}"))
    trading = market(now)
    parts.append(marks.badge("open" if trading.open else "closed", trading.text))
    st.html(f'<div class="sa-line" id="age" role="status">{"".join(parts)}</div>')


def _collected(place: Settings, now: datetime) -> str:
    observation = kept.newest(kept.file_of(place))
    if observation is None:
        return marks.badge("empty", "nothing collected yet")
    age = now.timestamp() - observation.at
    late = age > 3 * place.dashboard.collect_every_s + 60
    return marks.badge(
        "stale" if late else "current", f"facts of {duration(age)} ago{', the collector is late' * late}"
    )


def _seen(place: Settings, page: str) -> object:
    """What the page was drawn from: another value, and it is drawn again."""
    if page in OF_ITS_OWN:
        return page
    if page in OF_FACTS:
        file = kept.file_of(place)
        return file.stat().st_mtime if file.is_file() else None
    return data.state(place)
