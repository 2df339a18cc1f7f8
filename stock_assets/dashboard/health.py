"""what was collected of services and the machine -> the health page: the facts of `doctor`.

Belongs here: what stands where on the page. Does not belong here: the facts (``observability.facts``).
"""

from __future__ import annotations

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.dashboard.collected import OF_DATA, facts_table, instant, observation
from stock_assets.observability.fact import duration
from stock_assets.observability.observation import Observation, ServiceSeen
from stock_assets.settings.platform import Settings

GIB = 1024**3
STATES = {"running": "available", "starting": "partial", "backoff": "failed", "fatal": "failed"}


def health(place: Settings) -> None:
    """Draw the page."""
    seen = observation(place)
    if seen is None:
        return
    st.html(_tiles(seen))
    if seen.services:
        st.html('<div class="sa-title">Services</div>')
        st.html(
            marks.table(
                ["Service", "State", "Address", "Up", "Restarts", "Memory"], map(_service, seen.services), "Services"
            )
        )
    failed = [fact for fact in seen.facts if fact.name == "failed_runs"]
    st.html('<div class="sa-title">Last failed run</div>')
    facts_table(failed, "Failed runs") if failed else marks.say("No run is known.")
    st.html(
        f'<div class="sa-title">Facts <small class="sa-quiet">of {instant(seen.at)} UTC, as `stock-assets doctor` tells them</small></div>'
    )
    facts_table((fact for fact in seen.facts if fact.name not in (*OF_DATA, "failed_runs")), "Facts of the platform")


def _tiles(seen: Observation) -> str:
    problems = sum(fact.problem for fact in seen.facts)
    running = sum(each.state == "running" for each in seen.services)
    disks = [fact.value for fact in seen.facts if fact.name == "free_space" and fact.value is not None]
    memory = next((fact.value for fact in seen.facts if fact.name == "free_memory" and fact.value is not None), None)
    return marks.tiles(
        [
            marks.tile(
                "Problems", f"{problems}", "see below" if problems else "nothing is wrong", "down" if problems else "up"
            ),
            *([marks.tile("Services running", f"{running} of {len(seen.services)}")] if seen.services else []),
            marks.tile("Free on disk", f"{min(disks) / GIB:.1f} GB" if disks else "–"),
            marks.tile("Free memory", f"{memory / GIB:.1f} GB" if memory is not None else "–"),
            marks.tile("Restarts", f"{sum(each.restarts for each in seen.services)}", "in the last week"),
        ]
    )


def _service(each: ServiceSeen) -> list[object]:
    memory = "–" if each.memory is None else f"{each.memory / 1024**2:,.0f} MB"
    return [
        each.name,
        marks.Mark(STATES.get(each.state, "empty"), each.state),
        each.address,
        duration(each.uptime_s) if each.pid else "–",
        each.restarts,
        memory,
    ]
