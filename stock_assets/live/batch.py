"""a micro-batch of raw ticks -> the windows that its minutes are part of.

Belongs here: what is done with a batch, in which order, so that it may be cut off anywhere and done again.
Does not belong here: the stream that hands batches out (``stream``).

A batch only tells which minutes were touched. First its late ticks are stored, then how far its partitions are, then the windows; each
commit names the batch, so that one that is handed out again repeats only what is missing. Windows are computed from raw ticks as they
are by then, never from the batch: computing them once more gives the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from spark.delta_tables import read
from spark.touched_minutes import known_places, touched_minutes
from spark.window_minutes import TouchedMinute, bars_of_touched
from stock_assets.domain.errors import LandingConflict
from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATE_TICKS, WINDOW_PROGRESS
from stock_assets.domain.tables import RAW_TICKS
from stock_assets.lake.tables import open_or_create_table, open_table
from stock_assets.live.changes import merged, unfinal_hours
from stock_assets.live.progress import differing_sessions
from stock_assets.live.sessions import (
    ATTEMPTS,
    Row,
    build_session,
    late_of,
    newest_of,
    progress_of,
    with_partition,
)
from stock_assets.live.store import MicroBatch, of_days, of_hours, read_rows, replace, stored_minutes, unfinal_windows
from stock_assets.live.windows import windows_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Taken:
    """What a batch came to: ticks not seen before, minutes touched, late ticks, windows stored, sessions computed whole."""

    ticks: int
    minutes: int
    late: int
    windows: int
    whole: tuple[date, ...]


def take_batch(spark: SparkSession, lake_root: str, ticks: DataFrame, batch: MicroBatch) -> Taken | None:
    """Bring the live tables up to date with a batch; None when they have it already, or it holds no accepted tick.

    Raises:
        LandingConflict: others kept committing to the same tables; the batch is to be taken again.
    """
    windows = open_or_create_table(lake_root, INTRADAY_WINDOWS)
    if batch.is_in(windows):
        return None
    before = read_rows(lake_root, WINDOW_PROGRESS).to_pylist()
    known = [
        (
            row["trading_day"],
            row["source"],
            row["topic_id"],
            row["kafka_partition"],
            row["next_offset"],
            row["newest_time"],
        )
        for row in before
    ]
    touched = touched_minutes(ticks, known_places(spark, known)).toArrow()
    if not touched.num_rows:
        return None
    late = late_of(touched)
    _note_late(lake_root, late, batch)
    progress = _advance(lake_root, before, touched, batch)
    seen = {row["trading_day"] for row in before}
    # of a session's first batch, rows may have been landed before the stream began
    new = [day for day in pc.unique(touched["trading_day"]).to_pylist() if day not in seen]
    whole = build_differing(spark, lake_root, progress, new)
    stored = _replace_minutes(spark, lake_root, touched, progress, batch)
    return Taken(pc.sum(touched["ticks"]).as_py(), touched.num_rows, late.num_rows, stored, tuple(whole))


def build_differing(
    spark: SparkSession, lake_root: str, progress: Iterable[Row], to_the_end: Collection[date] | None = ()
) -> list[date]:
    """Compute whole the sessions of which raw ticks changed in a way that no batch tells; returns them."""
    raw = open_table(lake_root, RAW_TICKS)
    differing = [] if raw is None else differing_sessions(raw, progress, to_the_end)
    for day in differing:
        build_session(spark, lake_root, day)
    return differing


def _note_late(lake_root: str, late: pa.Table, batch: MicroBatch) -> None:
    handle = open_or_create_table(lake_root, LATE_TICKS)
    if late.num_rows and not batch.is_in(handle):
        replace(handle, late, None, batch, alone=False)


def _advance(lake_root: str, before: list[Row], touched: pa.Table, batch: MicroBatch) -> list[Row]:
    """Store how far the partitions are after the batch; all rows of WINDOW_PROGRESS."""
    handle = open_or_create_table(lake_root, WINDOW_PROGRESS)
    if batch.is_in(handle):
        return before
    days = set(pc.unique(touched["trading_day"]).to_pylist())
    others = [row for row in before if row["trading_day"] not in days]
    rows = progress_of(touched, [row for row in before if row["trading_day"] in days], {})
    replace(handle, pa.Table.from_pylist(rows, schema=WINDOW_PROGRESS.arrow_schema()), of_days(days), batch)
    return [*others, *rows]


def _replace_minutes(
    spark: SparkSession, lake_root: str, touched: pa.Table, progress: list[Row], batch: MicroBatch
) -> int:
    """Build the touched minutes again, and replace the windows they are part of; how many were stored."""
    from deltalake.exceptions import DeltaError

    columns = (touched[name].to_pylist() for name in ("trading_day", "symbol", "source", "start_time"))
    keys: list[TouchedMinute] = list(zip(*columns, strict=True))
    for _ in range(ATTEMPTS):
        handle = open_or_create_table(lake_root, INTRADAY_WINDOWS)
        bars = with_partition(bars_of_touched(read(spark, lake_root, RAW_TICKS), keys).toArrow(), touched)
        parts: list[pa.Table] = []
        replaced: dict[date, set[int]] = {}
        for day in sorted({day for day, *_ in keys}):
            newest = newest_of(row for row in progress if row["trading_day"] == day)
            of_day = bars.filter(pc.equal(bars["trading_day"], day))
            session, hours = merged(stored_minutes(handle, day), of_day, [key for key in keys if key[0] == day])
            hours |= unfinal_hours(unfinal_windows(handle, day), newest)
            if hours:
                parts.append(windows_of(session, newest, hours))
                replaced[day] = {hour % 24 for hour in hours}
        rows = pa.concat_tables(parts) if parts else INTRADAY_WINDOWS.arrow_schema().empty_table()
        try:
            replace(handle, rows, of_hours(replaced) if replaced else None, batch)
        except DeltaError:
            continue
        return int(rows.num_rows)
    raise LandingConflict(
        f"{INTRADAY_WINDOWS.path}: others committed {ATTEMPTS} times while batch {batch.number} was taken"
    )
