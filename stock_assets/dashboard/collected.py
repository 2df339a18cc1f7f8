"""what the collector keeps -> what the pages about the platform share.

Belongs here: that nothing collected yet is a sentence; facts as a table.
Does not belong here: keeping (``observability.kept``), which facts belong to which page.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import streamlit as st

from stock_assets.dashboard import marks
from stock_assets.observability.fact import Fact
from stock_assets.observability.kept import file_of, newest
from stock_assets.observability.observation import Observation
from stock_assets.settings.platform import Settings

OF_DATA = ("records_waiting", "oldest_record_waiting", "stale_sessions", "withheld_rows", "completeness", "marts")
"""Names of the facts that the pipeline page shows; all others are the health page's."""


def observation(place: Settings) -> Observation | None:
    """The newest observation; without one, a sentence is drawn."""
    found = newest(file_of(place))
    if found is None:
        marks.say(
            "Nothing was collected yet: `stock-assets up collector` starts the collector, `stock-assets collect --once` looks once."
        )
    return found


def facts_table(facts: Iterable[Fact], label: str) -> None:
    """Draw facts, those that somebody must act upon first."""
    ordered = sorted(facts, key=lambda fact: not fact.problem)
    rows = [
        [
            marks.Mark("failed" if fact.problem else "available", "wrong" if fact.problem else "ok"),
            _label(fact),
            fact.sentence,
            fact.cure,
        ]
        for fact in ordered
    ]
    st.html(marks.table(["State", "Fact", "Seen", "Cure"], rows, label))


def instant(seconds: float) -> str:
    """Seconds since 1970, as the pages write instants."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _label(fact: Fact) -> str:
    if fact.name in ("machine", "settings", "service", "publisher", "schema"):
        return fact.about
    return f"{fact.name.replace('_', ' ')} {fact.about}".strip()
