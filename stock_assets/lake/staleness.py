"""what the tables hold -> the sessions that must be built again.

Belongs here: a fingerprint per session of what a stage is built from, the one it was built from, and the difference.
States are compared, not events: nothing is lost by an event that came at the wrong moment.
Does not belong here: asking for runs (``defs``), building.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from stock_assets.domain import sessions
from stock_assets.domain.tables import (
    BUILT_FROM,
    DAILY_BARS,
    DAILY_METRICS,
    MINUTE_BARS,
    RAW_ACTIONS,
    RAW_BARS,
    RAW_TICKS,
    RULES_VERSION,
    Table,
)
from stock_assets.lake.tables import open_or_create_table, open_table, read_sessions
from stock_assets.lake.withdrawn import withdrawn_sessions
from stock_assets.topic.topics import ACTIONS, BARS, TICKS

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

WAREHOUSE = "warehouse/daily_stock_metrics"
COMPACT_AFTER_FILES = 40

Fingerprints = dict[date, str]


@dataclass(frozen=True)
class RawState:
    """Fingerprint of each session's raw rows, and the table versions it was read from (None: no such table)."""

    fingerprints: Fingerprints
    ticks_version: int | None
    bars_version: int | None
    actions_version: int | None


def raw_state(lake_root: str) -> RawState:
    """What minute and daily bars of each session are to be built from."""
    import pyarrow as pa

    ticks, bars, actions = (open_table(lake_root, table) for table in (RAW_TICKS, RAW_BARS, RAW_ACTIONS))
    parts: dict[date, dict[str, Any]] = defaultdict(dict)
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
    return RawState(
        {day: json.dumps({"rules": RULES_VERSION, **entry}, sort_keys=True) for day, entry in parts.items()},
        *(handle.version() if handle is not None else None for handle in (ticks, bars, actions)),
    )


def _note(parts: dict[date, dict[str, Any]], name: str, of_sessions: dict[date, int]) -> None:
    """Add to the sessions that have rows what the number of their rows alone would not tell."""
    for day in parts.keys() & of_sessions.keys():
        parts[day][name] = of_sessions[day]


def bars_state(lake_root: str) -> Fingerprints:
    """What daily bars each session has."""
    return _revisions(lake_root, DAILY_BARS)


def daily_bars_state(lake_root: str, refused: Collection[tuple[str, date]] = ()) -> Fingerprints:
    """What the metrics of each session are to be built from: its bars, and its splits and dividends.

    Args:
        refused: symbols and sessions whose bars metrics leave out.
    """
    bars = bars_state(lake_root)
    actions = open_table(lake_root, RAW_ACTIONS)
    paid: dict[date, int] = defaultdict(int)
    without: dict[date, str] = defaultdict(str)
    if actions is not None:
        for day, checksum in withdrawn_sessions(actions, ACTIONS).items():
            without[day] += f" withdrawn={checksum}"
        for day in _accepted(actions, ["trading_day"])["trading_day"].to_pylist():
            paid[day] += 1
    for symbol, day in sorted(refused):
        without[day] += f" without={symbol}"
    return {day: f"{state} actions={paid[day]}{without[day]}" for day, state in bars.items()}


def metrics_state(lake_root: str) -> Fingerprints:
    """What the warehouse's rows of each session are to be loaded from."""
    return _revisions(lake_root, DAILY_METRICS, "bars_used", "actions_used")


def built_from(lake_root: str, stage: str) -> Fingerprints:
    """What each session of a stage was built from, as ``record_built`` stored it last."""
    import pyarrow.dataset as ds

    handle = open_table(lake_root, BUILT_FROM)
    if handle is None:
        return {}
    rows = handle.to_pyarrow_dataset().to_table(filter=ds.field("stage") == stage).sort_by("built_at")
    return dict(zip(rows["trading_day"].to_pylist(), rows["fingerprint"].to_pylist(), strict=True))


def record_built(lake_root: str, stage: str, fingerprints: Fingerprints) -> None:
    """Remember what sessions were built from; after their rows are stored, so that a crash only repeats work."""
    import pyarrow as pa
    from deltalake import write_deltalake

    if not fingerprints:
        return
    now = datetime.now(UTC)
    rows = [
        {"stage": stage, "trading_day": day, "fingerprint": fingerprint, "built_at": now}
        for day, fingerprint in fingerprints.items()
    ]
    handle = open_or_create_table(lake_root, BUILT_FROM)
    write_deltalake(handle, pa.Table.from_pylist(rows, schema=BUILT_FROM.arrow_schema()), mode="append")
    if handle.get_add_actions().num_rows > COMPACT_AFTER_FILES:
        _compact(handle)


GONE = "gone"
"""Fingerprint of a session that was built once, and whose inputs hold no row any more."""


def stale_sessions(now: Fingerprints, built: Fingerprints) -> list[date]:
    """Sessions whose fingerprint is not the one they were built from; one whose rows are gone is stale once."""
    return sorted(day for day in now.keys() | built.keys() if now.get(day, GONE) != built.get(day))


def stale_by_stage(
    lake_root: str, state: RawState | None = None, refused: Collection[tuple[str, date]] = ()
) -> dict[str, list[date]]:
    """For every stage of the data below raw, the sessions that must be built again.

    Args:
        state: of the raw tables, if it was read already.
        refused: symbols and sessions whose bars metrics leave out.
    """
    raw = (state or raw_state(lake_root)).fingerprints
    now = {
        MINUTE_BARS.path: raw,
        DAILY_BARS.path: raw,
        DAILY_METRICS.path: daily_bars_state(lake_root, refused),
        WAREHOUSE: metrics_state(lake_root),
    }
    return {stage: stale_sessions(state, built_from(lake_root, stage)) for stage, state in now.items()}


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


def _revisions(lake_root: str, table: Table, *summed: str) -> Fingerprints:
    """Rows and newest revision; and sums of columns that may change without a revision, as they are loaded too.

    Withheld rows count: that a row is withheld, or released, is a revision of it.
    """
    rows = read_sessions(lake_root, table, ["trading_day", "revision", *summed], withheld_too=True)
    wanted = [("revision", "count"), ("revision", "max"), *((name, "sum") for name in summed)]
    return {
        g["trading_day"]: f"rows={g['revision_count']} revision={g['revision_max']}"
        + "".join(f" {name}={g[f'{name}_sum']}" for name in summed)
        for g in rows.group_by("trading_day").aggregate(wanted).to_pylist()
    }


def _compact(handle: DeltaTable) -> None:
    """Keep only the newest statement of each session; another writer's append makes this a no-op."""
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    rows = handle.to_pyarrow_table().sort_by("built_at")
    newest = rows.group_by(["stage", "trading_day"], use_threads=False).aggregate(
        [("fingerprint", "last"), ("built_at", "last")]
    )
    newest = newest.rename_columns(["stage", "trading_day", "fingerprint", "built_at"])
    try:
        write_deltalake(handle, newest.cast(BUILT_FROM.arrow_schema()), mode="overwrite")
    except DeltaError:
        return
