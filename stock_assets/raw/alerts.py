"""a proof that does not hold -> a sentence that names things.

Belongs here: which offsets of which partition are missing or twice, the commits on both sides of them, and what to run.
Does not belong here: finding that out (``completeness``), and whom it is told.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow.dataset as ds

from stock_assets.lake.tables import open_table
from stock_assets.landing.commit import LANDING_ID
from stock_assets.raw.completeness import Proof
from stock_assets.topic.topics import Topic

SHOWN = 3
"""Faults that a sentence names; more of them are counted."""


def alert(lake_root: str, topic: Topic, proof: Proof) -> str:
    """What is wrong with the equation of one topic partition, between which commits, and what to run."""
    table = open_table(lake_root, topic.table)
    if table is None:
        return str(proof)
    committed = {
        entry[
            LANDING_ID
        ]: f"version {entry['version']} of {datetime.fromtimestamp(entry['timestamp'] / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        for entry in table.history()
        if LANDING_ID in entry
    }
    columns = ["kafka_offset", "offset_span", "landing_id", "trading_day"]
    mine = (ds.field("topic_id") == proof.topic_id) & (ds.field("kafka_partition") == proof.partition)

    def at(first: int, last: int) -> tuple[str, set[date]]:
        """The commits that hold some of these offsets, and their sessions."""
        overlap = (ds.field("kafka_offset") <= last) & (ds.field("kafka_offset") >= first) | (
            ds.field("offset_span") > 1
        )
        rows = table.to_pyarrow_dataset().to_table(columns=columns, filter=mine & overlap).to_pylist()
        held = [row for row in rows if row["kafka_offset"] <= last and row["kafka_offset"] + row["offset_span"] > first]
        names = sorted({row["landing_id"] for row in held})
        told = ", ".join(
            f"landing {name[:12]} ({committed.get(name, 'not in the history any more')})" for name in names
        )
        return told or "no landing", {row["trading_day"] for row in held if row["trading_day"]}

    sentences, days = [], set()
    faults = [("missing", each) for each in proof.coverage.missing] + [
        ("twice", each) for each in proof.coverage.doubled
    ]
    for word, (first, last) in faults[:SHOWN]:
        before, days_before = at(first - 1, first - 1)
        after, days_after = at(last + 1, last + 1)
        within, days_within = at(first, last) if word == "twice" else ("", set())
        days |= days_before | days_after | days_within
        held = f" They are in {within}." if within else ""
        sentences.append(f"Offsets {first} to {last} are {word}: before them {before}, after them {after}.{held}")
    if len(faults) > SHOWN:
        sentences.append(f"{len(faults) - SHOWN} more ranges are wrong.")
    cures = " and ".join(f"stock-assets verify {day}" for day in sorted(days)[:2]) or "stock-assets verify"
    return (
        f"{topic.name} (id {proof.topic_id}) partition {proof.partition}: {' '.join(sentences)} Run: {cures}, and look at the "
        f"files of these versions with: stock-assets files {topic.table.path}"
    )
