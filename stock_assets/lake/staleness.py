"""what the tables hold -> the sessions that must be built again.

Belongs here: per session what a stage is to be built from now, and which sessions were built from something else.
States are compared, not events: nothing is lost by an event that came at the wrong moment.
Does not belong here: what they were built from (``built``), asking for runs (``defs``), building.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from stock_assets.domain import sessions
from stock_assets.domain.stages import WAREHOUSE, loaded_into
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets.domain.universe import Rename
from stock_assets.lake.built import built_from
from stock_assets.lake.fingerprints import GONE, Fingerprints, Inputs, fingerprints
from stock_assets.lake.tables import has_rows, open_table, read_sessions
from stock_assets.lake.withdrawn import withdrawn_sessions
from stock_assets.topic.topics import ACTIONS, BARS, TICKS

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


@dataclass(frozen=True)
class RawState:
    """What each session has of raw rows, and the table versions it was read from (None: no such table)."""

    inputs: dict[date, Inputs]
    ticks_version: int | None
    bars_version: int | None
    actions_version: int | None

    def count_rows(self, first: date, last: date) -> int:
        """Ticks and bars of the sessions from ``first`` to ``last``."""
        entries = (
            self.inputs[day].get(kind, {}) for day in self.inputs if first <= day <= last for kind in ("ticks", "bars")
        )
        return sum(count for entry in entries for count, _ in entry.values())

    def without(self, lake_root: str, days: Collection[date]) -> set[str]:
        """Of ``ticks`` and ``minutes``, what the sessions have none of; by the files of the log, and by the newest raw bars."""
        found = set() if any("ticks" in self.inputs.get(day, {}) for day in days) else {"ticks"}
        return found if has_rows(lake_root, RAW_BARS, days, interval="1m") else {*found, "minutes"}


def raw_state(lake_root: str) -> RawState:
    """What minute and daily bars of each session are to be built from."""
    import pyarrow as pa

    ticks, bars, actions = (open_table(lake_root, table) for table in (RAW_TICKS, RAW_BARS, RAW_ACTIONS))
    parts: dict[date, Inputs] = defaultdict(dict)
    if ticks is not None:
        files = pa.table(ticks.get_add_actions(flatten=True))
        for day, entry in _by_session(_tick_files(files)).items():
            parts[day]["ticks"] = entry
        _note(parts, "withdrawn_ticks", withdrawn_sessions(ticks, TICKS))
    if bars is not None:
        rows = _accepted(bars, ["trading_day", "topic_id", "kafka_partition", "kafka_offset"])
        for day, entry in _by_session(rows).items():
            parts[day]["bars"] = entry
        _note(parts, "withdrawn_bars", withdrawn_sessions(bars, BARS))
        for day, count in _applying_splits(bars, actions).items():
            parts[day]["splits"] = count
        if actions is not None and (withdrawn := withdrawn_sessions(actions, ACTIONS)):
            # a split that is no more, and another of the same number, for all bars that were adjusted for it
            last = max(withdrawn)
            _note(parts, "withdrawn_splits", {day: sum(withdrawn.values()) for day in parts if day < last})
    versions = (handle.version() if handle is not None else None for handle in (ticks, bars, actions))
    return RawState(dict(parts), *versions)


def _note(parts: dict[date, Inputs], name: str, of_sessions: dict[date, int]) -> None:
    """Add to the sessions that have rows what the number of their rows alone would not tell."""
    for day in parts.keys() & of_sessions.keys():
        parts[day][name] = of_sessions[day]


def bars_state(lake_root: str) -> dict[date, Inputs]:
    """What daily bars each session has."""
    return _revisions(lake_root, DAILY_BARS)


def daily_bars_state(
    lake_root: str, refused: Collection[tuple[str, date]] = (), renames: Collection[Rename] = ()
) -> Fingerprints:
    """What the metrics of each session are to be built from: its bars, and its splits and dividends.

    Args:
        refused: symbols and sessions whose bars metrics leave out.
        renames: of companies; those of which the lake has bars under the former symbol are in all later sessions.
    """
    inputs = {day: {**bars, "actions": 0} for day, bars in bars_state(lake_root).items()}
    actions = open_table(lake_root, RAW_ACTIONS)
    if actions is not None:
        _note(inputs, "withdrawn", withdrawn_sessions(actions, ACTIONS))
        for day in _accepted(actions, ["trading_day"])["trading_day"].to_pylist():
            if day in inputs:
                inputs[day]["actions"] += 1
    for symbol, day in sorted(refused):
        if day in inputs:
            inputs[day].setdefault("without", []).append(symbol)
    for rename in _in_use(lake_root, renames):
        for day, of_day in inputs.items():
            if day > rename.last_day:
                of_day.setdefault("renamed", []).append(f"{rename.symbol} {rename.company}")
    return fingerprints(DAILY_METRICS.path, inputs)


def _in_use(lake_root: str, renames: Collection[Rename]) -> list[Rename]:
    """Those of which there is a daily bar under the former symbol."""
    if not renames:
        return []
    former = [each.symbol for each in renames]
    held = read_sessions(lake_root, DAILY_BARS, ["symbol", "trading_day"], withheld_too=True, symbols=former)
    days = held.group_by("symbol").aggregate([("trading_day", "min")]).to_pylist()
    first = {row["symbol"]: row["trading_day_min"] for row in days}
    return [each for each in renames if each.symbol in first and first[each.symbol] <= each.last_day]


def metrics_state(lake_root: str) -> Fingerprints:
    """What the warehouse's rows of each session are to be loaded from."""
    return fingerprints(WAREHOUSE, _revisions(lake_root, DAILY_METRICS, "bars_used", "actions_used"))


def metrics_inputs(lake_root: str) -> dict[date, Inputs]:
    """What metrics each session has."""
    return _revisions(lake_root, DAILY_METRICS)


def stale_sessions(now: Fingerprints, built: Fingerprints) -> list[date]:
    """Sessions whose fingerprint is not the one they were built from; one whose rows are gone is stale once."""
    return sorted(day for day in now.keys() | built.keys() if now.get(day, GONE) != built.get(day))


def stale_by_stage(
    lake_root: str,
    target: str,
    state: RawState | None = None,
    refused: Collection[tuple[str, date]] = (),
    renames: Collection[Rename] = (),
) -> dict[str, list[date]]:
    """For every stage of the data below raw, the sessions that must be built again.

    Args:
        target: where the warehouse's rows are loaded.
        state: of the raw tables, if it was read already.
        refused: symbols and sessions whose bars metrics leave out.
        renames: of companies, whose metrics look back across them.
    """
    raw = (state or raw_state(lake_root)).inputs
    now = {
        MINUTE_BARS.path: fingerprints(MINUTE_BARS.path, raw),
        DAILY_BARS.path: fingerprints(DAILY_BARS.path, raw),
        DAILY_METRICS.path: daily_bars_state(lake_root, refused, renames),
        WAREHOUSE: metrics_state(lake_root),
    }
    stored_as = {WAREHOUSE: loaded_into(target)}
    return {
        stage: stale_sessions(state, built_from(lake_root, stored_as.get(stage, stage))) for stage, state in now.items()
    }


def _tick_files(files: pa.Table) -> pa.Table:
    """One row per file, in the columns of a row: the largest offset stands for all, ``rows`` for their number."""
    import pyarrow as pa

    return pa.table(
        {
            "trading_day": files["partition.trading_day"].cast(pa.date32()),
            "topic_id": files["min.topic_id"],
            "kafka_partition": files["partition.kafka_partition"],
            "kafka_offset": files["max.kafka_offset"],
            "rows": files["num_records"],
        }
    )


def _by_session(rows: pa.Table) -> dict[date, dict[str, list[int]]]:
    """Per session and topic partition: how many rows, and the largest offset."""
    counted = ("rows", "sum") if "rows" in rows.column_names else ("kafka_offset", "count")
    keys = ["trading_day", "topic_id", "kafka_partition"]
    groups = rows.group_by(keys).aggregate([counted, ("kafka_offset", "max")])
    found: dict[date, dict[str, list[int]]] = defaultdict(dict)
    for group in groups.to_pylist():
        if group["trading_day"] is not None:
            count = group[f"{counted[0]}_{counted[1]}"]
            found[group["trading_day"]][f"{group['topic_id'][:8]}/{group['kafka_partition']}"] = [
                count,
                group["kafka_offset_max"],
            ]
    return found


def _applying_splits(bars: DeltaTable, actions: DeltaTable | None) -> dict[date, int]:
    """Per session, the splits that its split-adjusted bars were adjusted for: those until the bar became known."""
    import pyarrow.compute as pc

    if actions is None:
        return {}
    splits = _accepted(actions, ["symbol", "ex_date", "kind"])
    splits = splits.filter(pc.equal(splits["kind"], "split")).select(["symbol", "ex_date"])
    rows = _accepted(bars, ["symbol", "trading_day", "known_at", "price_basis"])
    rows = rows.filter(pc.equal(rows["price_basis"], "split_adjusted"))
    counts: dict[date, int] = defaultdict(int)
    for split in splits.to_pylist():
        begins = datetime.combine(split["ex_date"], time(0), sessions.EXCHANGE_ZONE)
        applies = pc.and_(pc.equal(rows["symbol"], split["symbol"]), pc.less(rows["trading_day"], split["ex_date"]))
        days = rows.filter(pc.and_(applies, pc.greater_equal(rows["known_at"], begins)))["trading_day"]
        for day in pc.unique(days).to_pylist():
            counts[day] += 1
    return counts


def _accepted(handle: DeltaTable, columns: list[str]) -> pa.Table:
    import pyarrow.dataset as ds

    return handle.to_pyarrow_dataset().to_table(columns=columns, filter=ds.field("rejected_because").is_null())


def _revisions(lake_root: str, table: Table, *summed: str) -> dict[date, Inputs]:
    """Rows and newest revision; and sums of columns that may change without a revision, as they are loaded too.

    Withheld rows count: that a row is withheld, or released, is a revision of it.
    """
    rows = read_sessions(lake_root, table, ["trading_day", "revision", *summed], withheld_too=True)
    wanted = [("revision", "count"), ("revision", "max"), *((name, "sum") for name in summed)]
    return {
        g["trading_day"]: {"rows": g["revision_count"], "revision": g["revision_max"]}
        | {name: g[f"{name}_sum"] for name in summed}
        for g in rows.group_by("trading_day").aggregate(wanted).to_pylist()
    }
