"""what was collected of topics, tables and runs -> the pipeline page.

Belongs here: what stands where on the page. Does not belong here: collecting (``observability.collector``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.collected import OF_DATA, facts_table, instant, observation
from stock_assets.dashboard.freshness import freshness
from stock_assets.observability import kept
from stock_assets.observability.observation import Observation, RunSeen
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    import plotly.graph_objects as go

RUNS_SHOWN = 20
STATES = {"success": "available", "failure": "failed", "canceled": "failed"}


def pipeline(place: Settings) -> None:
    """Draw the page."""
    seen = observation(place)
    if seen is None:
        return
    file = kept.file_of(place)
    runs = kept.runs(file, RUNS_SHOWN)
    st.html(_tiles(seen))
    st.html('<div class="sa-title">Stages</div>')
    st.html(
        marks.table(
            ["Stage", "State", "Sessions", "Rows", "Seconds", "Rows of that run"], _stages(seen, runs), "Stages"
        )
    )
    left, right = st.columns(2)
    with left:
        st.html('<div class="sa-title">Completeness: every offset exactly once</div>')
        _equations(seen)
    with right:
        st.html('<div class="sa-title">Records waiting</div>')
        st.plotly_chart(_waiting(kept.numbers(file, "records_waiting"), seen), key="waiting", config=marks.CHART)
    st.html('<div class="sa-title">Runs</div>')
    if runs:
        st.html(
            marks.table(
                ["Requested, UTC", "Job", "State", "Seconds", "Sessions", "Slowest step"], map(_run, runs), "Runs"
            )
        )
    else:
        marks.say("No run was seen yet.")
    st.html('<div class="sa-title">Facts</div>')
    facts_table((fact for fact in seen.facts if fact.name in OF_DATA), "Facts of the pipeline")


def _tiles(seen: Observation) -> str:
    waiting = sum(fact.value or 0 for fact in seen.facts if fact.name == "records_waiting")
    stale = [fact for fact in seen.facts if fact.name == "stale_sessions" and fact.value]
    wrong = sum(bool(each.wrong) for each in seen.equations)
    offsets = sum(each.offsets for each in seen.equations)
    return marks.tiles(
        [
            marks.tile("Records waiting", f"{waiting:,.0f}"),
            marks.tile("Stages with stale sessions", f"{len(stale):,}", "to be built" if stale else "all up to date"),
            marks.tile(
                "Offsets proved",
                f"{offsets:,}",
                f"{wrong} partitions are wrong" if wrong else "each exactly once",
                "down" if wrong else "up",
            ),
            marks.tile("Looked for", f"{seen.seconds:.1f} s", "by the collector"),
        ]
    )


def _stages(seen: Observation, runs: list[RunSeen]) -> list[list[object]]:
    now = datetime.now(UTC)
    newest = {step.name: step for run in reversed(runs) for step in run.steps}
    rows: list[list[object]] = []
    for held in seen.held:
        age = freshness(held.newest, None, now)
        step = newest.get(held.stage)
        seconds = "" if step is None else f"{step.seconds:.1f}"
        written = "" if step is None or step.rows is None else f"{step.rows:,}"
        rows.append(
            [held.stage, marks.Mark(age.state, age.text), f"{held.sessions:,}", f"{held.rows:,}", seconds, written]
        )
    return rows


def _equations(seen: Observation) -> None:
    if not seen.equations:
        marks.say("Nothing was landed yet.")
        return
    rows = [
        [
            each.topic, str(each.partition), f"{each.offsets:,}", f"{each.accepted:,}", f"{each.rejected:,}", f"{each.gaps:,}",
            marks.Mark("failed", each.wrong) if each.wrong else marks.Mark("available", "holds"),
        ]
        for each in seen.equations
    ]  # fmt: skip
    st.html(
        marks.table(["Topic", "Partition", "Read", "= accepted", "+ rejected", "+ gaps", "State"], rows, "Completeness")
    )


def _waiting(changes: list[tuple[float, str, float]], seen: Observation) -> go.Figure:
    """Records that waited, by topic partition: a value stays until it changes."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for about in sorted({about for _, about, _ in changes}):
        own = [(at, value) for at, of, value in changes if of == about]
        own.append((seen.at, own[-1][1]))
        figure.add_scatter(
            x=[datetime.fromtimestamp(at, UTC) for at, _ in own],
            y=[value for _, value in own],
            name=marks.text(about),
            mode="lines",
            line={"shape": "hv"},
        )
    figure.update_layout(
        height=260, margin={"t": 28, "l": 0, "r": 8, "b": 0}, yaxis_title="records", legend={"orientation": "h"}
    )
    figure.update_yaxes(rangemode="tozero")
    return figure


def _run(run: RunSeen) -> list[object]:
    seconds = "" if run.ended is None else f"{run.ended - run.requested:.1f}"
    slowest = max(run.steps, key=lambda step: step.seconds, default=None)
    told = "" if slowest is None else f"{slowest.name} {slowest.seconds:.1f} s"
    return [
        instant(run.requested),
        run.job,
        marks.Mark(STATES.get(run.status, "partial"), run.status),
        seconds,
        run.sessions,
        told,
    ]
