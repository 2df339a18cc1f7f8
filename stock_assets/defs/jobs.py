"""assets -> jobs.

Belongs here: the two jobs that sensors and the command line start, their tags and their configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import dagster as dg

from stock_assets.defs.built_assets import BUILT_KEYS
from stock_assets.defs.raw_assets import COMPLETENESS, RAW_KEYS
from stock_assets.observability.runs import SESSIONS_TAG

HISTORY_LEVEL = "history_level"

DRAIN = dg.define_asset_job(
    "drain",
    # Great Expectations takes 7 CPU-seconds to import: raw rows are checked where they are used, by the build.
    selection=dg.AssetSelection.assets(*RAW_KEYS.values()).without_checks()
    | dg.AssetSelection.checks(*(dg.AssetCheckKey(key, COMPLETENESS) for key in RAW_KEYS.values())),
    description="Lands what the topics hold; asked for by the drain sensor.",
)
BUILD = dg.define_asset_job(
    "build",
    selection=dg.AssetSelection.assets(*BUILT_KEYS)
    | dg.AssetSelection.checks(*(dg.AssetCheckKey(key, "quality") for key in RAW_KEYS.values()))
    | dg.AssetSelection.checks(dg.AssetCheckKey(RAW_KEYS["bars"], HISTORY_LEVEL)),
    description="Builds bars, metrics and the warehouse's rows of stale sessions; asked for by the staleness sensor.",
)


def build_config(first: date, last: date) -> dict[str, Any]:
    """Run configuration of ``build`` for the sessions from ``first`` to ``last``."""
    return range_config(BUILT_KEYS, first, last)


def range_config(keys: Iterable[dg.AssetKey], first: date, last: date) -> dict[str, Any]:
    """Run configuration of assets that take a ``Range``, for the sessions from ``first`` to ``last``."""
    given = {"config": {"first": first.isoformat(), "last": last.isoformat()}}
    return {"ops": {key.to_python_identifier(): given for key in keys}}


def sessions_of_tags(tags: Mapping[str, str]) -> tuple[date, date] | None:
    """The first and last session of a ``build``, from its tags; None for another run."""
    if SESSIONS_TAG not in tags:
        return None
    days = [date.fromisoformat(day) for day in tags[SESSIONS_TAG].split(" to ")]
    return days[0], days[-1]


def build_tags(first: date, last: date) -> dict[str, str]:
    """Tags of a ``build`` of these sessions: what it is about."""
    return {SESSIONS_TAG: str(first) if first == last else f"{first} to {last}"}


def build_partition(last: date) -> str:
    """Partition key of a ``build`` up to ``last``.

    A run of partitioned assets needs a partition. Told of a range, Dagster plans an event for each of its partitions and
    assets, 25 ms each, and shows no check as passed; so it is told of the newest session only. The assets report every
    session they build, and the run's config and tags say which those are.
    """
    return last.isoformat()
