"""a session's raw ticks -> all that the live tables hold of it.

Belongs here: building a session whole: after raw ticks changed in a way that no stream tells, after a lost checkpoint, and when Dagster
is asked for it. Does not belong here: a micro-batch (``batch``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from spark.delta_tables import read
from spark.touched_minutes import known_places, touched_minutes
from spark.window_minutes import bars_of_session
from stock_assets.domain import sessions
from stock_assets.domain.errors import LandingConflict
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, LATENESS, MINUTES, WINDOW_PROGRESS
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.live.progress import files_of, rebuilt_by
from stock_assets.live.store import of_days, read_rows, replace
from stock_assets.live.windows import Newest, windows_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ATTEMPTS = 5
Row = dict[str, Any]


@dataclass(frozen=True)
class Built:
    """What a session came to.

    Attributes:
        windows, late, ticks: rows stored.
        differing: windows that were stored of the same ticks and are not what was computed, whether final or not; None when none
            were stored, or of other ticks.
    """

    windows: int
    late: int
    ticks: int
    differing: int | None


def build_session(spark: SparkSession, lake_root: str, day: date, now: datetime | None = None) -> Built:
    """Replace a session's windows, late ticks and progress by what raw ticks say now.

    Args:
        now: all windows are final when the session has ended by then.

    Raises:
        LandingConflict: others kept committing meanwhile; what was stored is whole, but may be older.
    """
    from deltalake.exceptions import DeltaError

    for attempt in range(ATTEMPTS):
        tables = {
            table: open_or_create_table(lake_root, table) for table in (INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS)
        }
        windows, late, progress = compute_session(spark, lake_root, day, now)
        differing = _differing(lake_root, day, windows, progress)
        try:
            replace(tables[LATE_TICKS], late, of_days([day]))
            replace(tables[WINDOW_PROGRESS], progress, of_days([day]))
            replace(tables[INTRADAY_WINDOWS], windows, of_days([day]))
        except DeltaError as refused:
            if attempt == ATTEMPTS - 1:
                raise LandingConflict(
                    f"{INTRADAY_WINDOWS.path} of {day}: others committed meanwhile: {refused}"
                ) from None
            continue
        ticks = sum(progress["ticks"].to_pylist())
        return Built(windows.num_rows, late.num_rows, ticks, differing)
    raise AssertionError("the last attempt returns or raises")


def compute_session(
    spark: SparkSession, lake_root: str, day: date, now: datetime | None = None
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """What the windows, late ticks and progress of a session are to be, by raw ticks alone."""
    schemas = [table.arrow_schema() for table in (INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS)]
    handle = open_table(lake_root, RAW_TICKS)
    if handle is None:
        return schemas[0].empty_table(), schemas[1].empty_table(), schemas[2].empty_table()
    raw = read(spark, lake_root, RAW_TICKS, handle.version())
    touched = touched_minutes(raw.where(_is(day)), known_places(spark, [])).toArrow()
    progress = progress_of(touched, [], rebuilt_by(files_of(handle, [day])))
    sources = pc.unique(touched["source"]).to_pylist()
    minutes = with_partition(bars_of_session(raw, day, sources).toArrow(), touched) if sources else _no_minutes()
    newest = newest_of(progress)
    if now is not None and _has_ended(day, now):
        newest = dict.fromkeys(newest, now)
    return windows_of(minutes, newest), late_of(touched), pa.Table.from_pylist(progress, schema=schemas[2])


def stored_sessions(lake_root: str) -> dict[date, int]:
    """Per session of which there are windows, how many, by the statistics of their files."""
    handle = open_table(lake_root, INTRADAY_WINDOWS)
    found: dict[date, int] = {}
    for file in pa.table(handle.get_add_actions(flatten=True)).to_pylist() if handle is not None else ():
        day = file["partition.trading_day"]
        found[day] = found.get(day, 0) + file["num_records"]
    return found


def _differing(lake_root: str, day: date, windows: pa.Table, progress: pa.Table) -> int | None:
    """How many stored windows are not the computed ones, or missing."""
    of_day = ds.field("trading_day") == day
    held = read_rows(lake_root, WINDOW_PROGRESS, of_day)
    columns = ["source", "topic_id", "kafka_partition", "ticks", "next_offset"]
    if not held.num_rows or _in_order(held.select(columns)) != _in_order(progress.select(columns)):
        return None
    names = [name for name in INTRADAY_WINDOWS.names if name != "final"]
    both = pa.concat_tables([read_rows(lake_root, INTRADAY_WINDOWS, of_day).select(names), windows.select(names)])
    keys = list(INTRADAY_WINDOWS.key)
    single = both.group_by(names).aggregate([([], "count_all")])
    return int(single.filter(pc.equal(single["count_all"], 1)).group_by(keys).aggregate([]).num_rows)


def _in_order(rows: pa.Table) -> list[str]:
    return sorted(map(repr, rows.to_pylist()))


def _has_ended(day: date, now: datetime) -> bool:
    return not sessions.is_session(day) or now > sessions.session(day).post_close_time + LATENESS


def _is(day: date) -> Any:
    from pyspark.sql import functions as F

    return F.col("trading_day") == F.lit(day)


def _no_minutes() -> pa.Table:
    return MINUTES.arrow_schema().empty_table()


def with_partition(bars: pa.Table, touched: pa.Table) -> pa.Table:
    """MINUTE_BARS as MINUTES: with the topic partition of their symbol, the newest one where there are several."""
    places = touched.group_by(["symbol", "source"]).aggregate([("kafka_partition", "max")])
    of_symbol = {
        (symbol, f"{source}_ticks"): partition
        for symbol, source, partition in zip(*(places[name].to_pylist() for name in places.column_names), strict=True)
    }
    named = zip(bars["symbol"].to_pylist(), bars["source"].to_pylist(), strict=True)
    partitions = pa.array([of_symbol[place] for place in named], pa.int32())
    return bars.append_column("kafka_partition", partitions).select(list(MINUTES.names)).cast(MINUTES.arrow_schema())


def late_of(touched: pa.Table) -> pa.Table:
    """The LATE_TICKS among what ``touched_minutes`` told."""
    schema = LATE_TICKS.arrow_schema()
    some = touched.filter(pc.greater(pc.list_value_length(touched["late"]), 0)).to_pylist()
    rows = [
        {**{name: row[name] for name in schema.names if name in row}, **late} for row in some for late in row["late"]
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def progress_of(touched: pa.Table, before: Iterable[Row], rebuilt: Mapping[date, str]) -> list[Row]:
    """Rows of WINDOW_PROGRESS for the sessions touched: ``before``, and what came since.

    Args:
        before: their rows until now.
        rebuilt: of sessions that are computed whole, the rebuild they hold.
    """
    keys = list(WINDOW_PROGRESS.key)
    summed = touched.group_by(keys).aggregate([("ticks", "sum"), ("next_offset", "max"), ("newest_time", "max")])
    rows = {tuple(row[name] for name in keys): dict(row) for row in before}
    for row in summed.to_pylist():
        place = tuple(row[name] for name in keys)
        held = rows.get(place)
        rows[place] = {
            **dict(zip(keys, place, strict=True)),
            "ticks": row["ticks_sum"] + (held["ticks"] if held else 0),
            "next_offset": max(row["next_offset_max"], held["next_offset"] if held else 0),
            "newest_time": max(row["newest_time_max"], held["newest_time"]) if held else row["newest_time_max"],
            "rebuilt_by": held["rebuilt_by"] if held else rebuilt.get(row["trading_day"]),
        }
    return list(rows.values())


def newest_of(progress: Iterable[Row]) -> Newest:
    """How far each source and partition of a session is, as ``windows_of`` takes it."""
    newest: dict[tuple[str, int], datetime] = {}
    for row in progress:
        place = (f"{row['source']}_ticks", row["kafka_partition"])
        newest[place] = max(row["newest_time"], newest.get(place, row["newest_time"]))
    return newest
