"""what the tables hold -> the sessions whose patterns and anomalies must be found again.

Belongs here: per session what both are made of, and reading it; the sessions that are stale.
Does not belong here: finding (``patterns``, ``anomalies``), the stages before them (``lake.staleness``, ``state``).

A session's rows are made of its own bars and of those of the sessions before it that a finding looks back at: a late tick makes its
session and that many after it stale, and no other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from zlib import crc32

from stock_assets.domain.anomalies import BASELINE_SESSIONS
from stock_assets.domain.finding_tables import ANOMALIES, PATTERNS
from stock_assets.domain.patterns import LOOKBACK_SESSIONS
from stock_assets.domain.sessions import all_sessions
from stock_assets.domain.source_names import vendor_of
from stock_assets.domain.splits import Stated, actions_that_count
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.lake import staleness
from stock_assets.lake.as_of import actions_as_of
from stock_assets.lake.built import built_from
from stock_assets.lake.fingerprints import GONE, Fingerprints, Inputs, fingerprints
from stock_assets.lake.tables import read_sessions
from stock_assets.quality.anomalies import COLUMNS, Row, find_anomalies
from stock_assets.quality.judging import Judging

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 20
"""Sessions whose minutes are in memory together, beside those before them."""


def stale_findings(lake_root: str, judging: Judging) -> dict[str, list[date]]:
    """Per table of findings the sessions that must be looked at again."""
    states = {PATTERNS.path: patterns_state(lake_root, judging), ANOMALIES.path: anomalies_state(lake_root)}
    return {path: staleness.stale_sessions(state, built_from(lake_root, path)) for path, state in states.items()}


def patterns_state(lake_root: str, judging: Judging) -> Fingerprints:
    """What the patterns of each session that has metrics are made of: rows of it and of those before, and renames among them."""
    metrics = staleness.metrics_inputs(lake_root)
    found: dict[date, Inputs] = {}
    for day, window in _windows(sorted(metrics), LOOKBACK_SESSIONS):
        renamed = [each for each in judging.renames if window[0] <= each.last_day < day]
        found[day] = {"metrics": _digest([metrics.get(each) for each in window])}
        if renamed:
            found[day]["renamed"] = _digest([str(each) for each in renamed])
    return fingerprints(PATTERNS.path, found)


def anomalies_state(lake_root: str) -> Fingerprints:
    """What the anomalies of each session that has minute bars are made of: these, those before, and actions meanwhile."""
    bars = {day: said for day, said in built_from(lake_root, MINUTE_BARS.path).items() if said != GONE}
    actions: dict[date, list[str]] = defaultdict(list)
    for row in actions_as_of(lake_root).to_pylist() if bars else []:
        actions[row["ex_date"]].append(f"{row['symbol']} {Stated(*(row[name] for name in Stated._fields))}")
    found: dict[date, Inputs] = {}
    for day, window in _windows(sorted(bars), BASELINE_SESSIONS):
        meanwhile = [said for each in sorted(actions) if window[0] <= each <= day for said in sorted(actions[each])]
        found[day] = {"bars": _digest([bars.get(each) for each in window]), "actions": _digest(meanwhile)}
    return fingerprints(ANOMALIES.path, found)


def anomalies_of(lake_root: str, days: Sequence[date]) -> list[Row]:
    """The rows of these sessions, as bars and actions are now."""
    if not days:
        return []
    known, rows = all_sessions(), list[Row]()
    actions = actions_as_of(lake_root)
    ex_dates = set(zip(actions["symbol"].to_pylist(), actions["ex_date"].to_pylist(), strict=True))
    left = sorted(days)
    while left:
        begin = known.index(left[0])
        together = set(known[begin : begin + AT_ONCE])
        own = [day for day in left if day in together]
        left = left[len(own) :]
        first = known[max(0, begin - BASELINE_SESSIONS)]
        bars = read_sessions(lake_root, MINUTE_BARS, list(COLUMNS), first, own[-1])
        rows += find_anomalies(bars, own, ex_dates, _splits(bars, actions))
    return rows


def _splits(bars: pa.Table, actions: pa.Table) -> dict[tuple[str, str], list[tuple[date, float]]]:
    """Per symbol and source of the bars the splits that count for it."""
    stated: dict[str, list[Stated]] = defaultdict(list)
    for row in actions.to_pylist():
        stated[row["symbol"]].append(Stated(*(row[name] for name in Stated._fields)))
    pairs = bars.group_by(["symbol", "source"]).aggregate([]).to_pylist() if stated else []
    return {
        (pair["symbol"], pair["source"]): [
            (each.ex_date, float(each.value))
            for each in actions_that_count(stated[pair["symbol"]], vendor_of(pair["source"]))
            if each.kind == "split"
        ]
        for pair in pairs
        if pair["symbol"] in stated
    }


def _windows(days: Sequence[date], before: int) -> Iterator[tuple[date, list[date]]]:
    """Each of the days with the sessions of the exchange before it, oldest first and itself last."""
    places = {day: place for place, day in enumerate(all_sessions())}
    for day in days:
        yield day, all_sessions()[max(0, places[day] - before) : places[day] + 1]


def _digest(inputs: Sequence[Any]) -> str:
    return f"{crc32(json.dumps(inputs, sort_keys=True).encode()):08x}"
