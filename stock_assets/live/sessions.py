"""a session's raw ticks -> all that the live tables hold of it.

Belongs here: building a session whole: after raw ticks changed in a way that no stream tells, after a lost checkpoint, and when Dagster
is asked for it. Does not belong here: a micro-batch (``batch``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from spark.delta_tables import read
from spark.touched_minutes import known_places, touched_minutes
from spark.window_minutes import bars_of_session
from stock_assets.domain.errors import LandingConflict
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, MINUTES, WINDOW_PROGRESS
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.live.progress import files_of, rebuilt_by
from stock_assets.live.store import of_days, replace
from stock_assets.live.windows import Newest, windows_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 5
Row = dict[str, Any]


def build_session(spark: SparkSession, lake_root: str, day: date) -> pa.Table:
    """Replace a session's windows, late ticks and progress by what raw ticks say now; the windows.

    Raises:
        LandingConflict: others kept committing meanwhile; what was stored is whole, but may be older.
    """
    from deltalake.exceptions import DeltaError

    for attempt in range(ATTEMPTS):
        tables = {table: open_or_create_table(lake_root, table) for table in (INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS)}
        windows, late, progress = compute_session(spark, lake_root, day)
        try:
            replace(tables[LATE_TICKS], late, of_days([day]))
            replace(tables[WINDOW_PROGRESS], progress, of_days([day]))
            replace(tables[INTRADAY_WINDOWS], windows, of_days([day]))
        except DeltaError as refused:
            if attempt == ATTEMPTS - 1:
                raise LandingConflict(f"{INTRADAY_WINDOWS.path} of {day}: others committed meanwhile: {refused}") from None
            continue
        return windows
    raise AssertionError("the last attempt returns or raises")


def compute_session(spark: SparkSession, lake_root: str, day: date) -> tuple[pa.Table, pa.Table, pa.Table]:
    """What the windows, late ticks and progress of a session are to be, by raw ticks alone."""
    schemas = [table.arrow_schema() for table in (INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS)]
    handle = open_table(lake_root, RAW_TICKS)
    if handle is None:
        return tuple(schema.empty_table() for schema in schemas)  # type: ignore[return-value]
    raw = read(spark, lake_root, RAW_TICKS, handle.version())
    touched = touched_minutes(raw.where(_is(day)), known_places(spark, [])).toArrow()
    progress = progress_of(touched, [], rebuilt_by(files_of(handle, [day])))
    sources = pc.unique(touched["source"]).to_pylist()
    minutes = with_partition(bars_of_session(raw, day, sources).toArrow(), touched) if sources else _no_minutes()
    return windows_of(minutes, newest_of(progress)), late_of(touched), pa.Table.from_pylist(progress, schema=schemas[2])


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
    rows = [{**{name: row[name] for name in schema.names if name in row}, **late} for row in some for late in row["late"]]
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
