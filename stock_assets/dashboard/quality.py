"""verdicts, checks, quarantine -> the quality page.

Belongs here: what stands where on the page. Does not belong here: the numbers (``quality_numbers``), the verdicts themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from stock_assets.dashboard import data, marks
from stock_assets.dashboard.figures import absent, records
from stock_assets.dashboard.quality_map import map_figure
from stock_assets.dashboard.quality_numbers import (
    agreements,
    availability_map,
    check_trends,
    expectations_held,
    reasons,
    scores,
)
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.observability import kept
from stock_assets.quality.score import VERSION, Score
from stock_assets.settings.platform import Settings

MAP_SESSIONS, MAP_SYMBOLS = 40, 40
SHOWN = 25


def quality(place: Settings) -> None:
    """Draw the page."""
    judged = data.availability(place)
    if judged.empty:
        marks.say("Nothing was judged yet: a build does, once something is landed.")
    else:
        held_back = data.withheld(place)
        found = scores(judged, data.reconciliation(place), data.bars(place), held_back)
        st.html(_tiles(found, len(held_back)))
        st.html('<div class="sa-title">Availability</div>')
        drawn = availability_map(judged, MAP_SESSIONS, MAP_SYMBOLS)
        st.plotly_chart(map_figure(drawn), key="map", config=marks.CHART)
        if len(drawn.symbols) < judged["symbol"].nunique():
            st.html(f'<p class="sa-quiet">The {len(drawn.symbols)} symbols with most that is not available.</p>')
        st.html(f'<div class="sa-title">Quality score <small class="sa-quiet">rules {VERSION}</small></div>')
        st.html(
            marks.table(
                ["Symbol", "Score", "Sessions", "Worst", "Because"],
                [_score(*each) for each in list(found.items())[:SHOWN]],
                "Scores",
            )
        )
    _expectations(place)
    _checks(place)
    left, right = st.columns(2)
    with left:
        _quarantine(place)
    with right:
        _reconciliation(place)
    _withheld(place)
    _anomalies(place)


def _tiles(found: dict[str, Score], held_back: int) -> str:
    values = [each.value for each in found.values() if each.value is not None]
    worst = next(iter(found.items()), None)
    lowest = "–" if worst is None or worst[1].value is None else f"{worst[1].value:.0f}"
    return marks.tiles(
        [
            marks.tile(
                "Mean score", f"{sum(values) / len(values):.0f}" if values else "–", f"{len(values):,} symbols judged"
            ),
            marks.tile("Lowest score", lowest, worst[0] if worst is not None else ""),
            marks.tile("Held down by an overdue session", f"{sum(each.capped for each in found.values()):,}"),
            marks.tile("Withheld daily bars", f"{held_back:,}", "in the newest sessions", "down" if held_back else ""),
        ]
    )


def _score(symbol: str, found: Score) -> list[object]:
    value = "–" if found.value is None else f"{found.value:.0f}"
    return [
        symbol,
        value,
        found.sessions,
        "" if found.worst_day is None else f"{found.worst_day:%Y-%m-%d}",
        found.reason,
    ]


def _expectations(place: Settings) -> None:
    import plotly.graph_objects as go

    st.html('<div class="sa-title">Great Expectations</div>')
    rows = data.expectations(place)
    if rows.empty:
        marks.say("No expectation was checked yet: each build does.")
        return
    figure = go.Figure()
    for table, days, share in expectations_held(rows):
        figure.add_scatter(x=days, y=share, name=marks.text(table), mode="lines+markers")
    figure.update_layout(
        height=240, margin={"t": 28, "l": 0, "r": 8, "b": 0}, yaxis_title="% that hold", legend={"orientation": "h"}
    )
    st.plotly_chart(figure, key="expectations", config=marks.CHART)
    broken = records(rows[~rows["passed"].astype(bool)].sort_values("trading_day", ascending=False).head(SHOWN))
    cells = [
        [f"{row['trading_day']:%Y-%m-%d}", row["checked_table"], row["expectation"], _count(row["unexpected_rows"])]
        for row in broken
    ]
    if cells:
        st.html(marks.table(["Session", "Table", "Expectation", "Rows"], cells, "Expectations that do not hold"))


def _count(value: float | None) -> str:
    return "–" if value is None or absent(value) else f"{value:,.0f}"


def _checks(place: Settings) -> None:
    st.html('<div class="sa-title">Checks</div>')
    trends = check_trends(kept.checks(kept.file_of(place)))
    if not trends:
        marks.say("No check was seen yet: the collector keeps what each run finds.")
        return
    rows = []
    for each in trends:
        state = "available" if each.newest.passed else "degraded" if each.newest.severity == "error" else "partial"
        word = "passed" if each.newest.passed else "failed" if each.newest.severity == "error" else "warns"
        when = f"{datetime.fromtimestamp(each.newest.at, UTC):%Y-%m-%d %H:%M}"
        rows.append(
            [
                each.newest.asset,
                each.newest.name,
                marks.Mark(state, word),
                f"{each.passed} of {each.evaluations}",
                each.trend,
                when,
                each.newest.text[:160],
            ]
        )
    st.html(marks.table(["Asset", "Check", "Newest", "Passed", "Trend", "When, UTC", "Says"], rows, "Checks"))


def _quarantine(place: Settings) -> None:
    st.html('<div class="sa-title">Quarantine</div>')
    found = reasons(data.quarantine(place))
    if not found:
        marks.say("No record is in quarantine.", "current")
        return
    st.html(
        marks.table(
            ["Stage", "Reason", "Records"],
            [[stage, reason, f"{count:,}"] for stage, reason, count in found[:SHOWN]],
            "Quarantine",
        )
    )


def _reconciliation(place: Settings) -> None:
    st.html('<div class="sa-title">Reconciliation</div>')
    rows = data.reconciliation(place)
    found = agreements(rows)
    if not found:
        marks.say("No two sources were compared yet.")
        return
    st.html(
        marks.table(
            ["Sources", "Agreed", "Disagree", "Moving", "One missing"],
            [[f"{each.first}, {each.second}", each.agreed, each.disagree, each.moving, each.missing] for each in found],
            "Reconciliation",
        )
    )
    differ = rows[rows["verdict"] == "disagree"].sort_values("trading_day", ascending=False).head(SHOWN)
    if len(differ):
        cells = [
            [
                f"{row['trading_day']:%Y-%m-%d}",
                row["symbol"],
                *(_figure(row[name]) for name in ("first_close", "second_close", "close_bps", "volume_percent")),
            ]
            for row in records(differ)
        ]
        st.html(
            marks.table(["Session", "Symbol", "First", "Second", "Close, bps", "Volume, %"], cells, "Disagreements")
        )


def _withheld(place: Settings) -> None:
    rows = data.withheld(place)
    if rows:
        st.html('<div class="sa-title">Withheld</div>')
        cells = [
            [marks.Mark("withheld", str(row["trading_day"])), row["symbol"], row["source"], row["withheld_because"]]
            for row in rows[-SHOWN:]
        ]
        st.html(marks.table(["Session", "Symbol", "Source", "Breaks"], cells, "Withheld"))


def _anomalies(place: Settings) -> None:
    rows = data.anomalies(place)
    if rows.empty:
        return
    st.html('<div class="sa-title">Unusual minutes</div>')
    newest = records(rows.sort_values(["start_time", "symbol"], ascending=False, kind="stable").head(SHOWN))
    cells = [
        [
            f"{row['start_time'].tz_convert(EXCHANGE_ZONE):%Y-%m-%d %H:%M}",
            row["symbol"],
            row["source"],
            row["kind"].replace("_", " "),
            f"{row['z']:+,.1f}",
            _figure(row["change_percent"]),
            _figure(row["close"]),
            int(row["n"]),
        ]
        for row in newest
    ]
    names = ["Minute, New York", "Symbol", "Source", "Kind", "z", "Change, %", "Close", "Sessions"]
    st.html(marks.table(names, cells, "Unusual minutes"))


def _figure(value: float | None) -> str:
    return "–" if value is None or absent(value) else f"{value:,.2f}"
