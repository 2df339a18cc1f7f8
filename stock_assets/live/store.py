"""rows of live tables <-> Delta tables.

Belongs here: reading what a session holds and replacing a part of it in one commit, each micro-batch once.
Does not belong here: which part, and what it holds (``batch``, ``sessions``).

Two writers of the windows, the stream and a run of Dagster, exclude each other by the transaction ``rewrite``: of two that computed
from one snapshot the second is refused, and computes again. Each takes its snapshot before it reads raw ticks, so that the last one
to commit has read the newest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from stock_assets.domain.live_tables import INTRADAY_WINDOWS, MINUTES
from stock_assets.domain.table import Table
from stock_assets.lake.tables import open_table
from stock_assets.lake.transactions import next_rewrite

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch of a query, which Spark may hand out again after a crash."""

    query: str
    number: int

    @property
    def name(self) -> str:
        """Of the Delta transaction whose version is the last batch's number."""
        return f"stream/{self.query}"

    def is_in(self, handle: DeltaTable) -> bool:
        """Whether the table has it already."""
        held = handle.transaction_version(self.name)
        return held is not None and held >= self.number


def read_rows(lake_root: str, table: Table, wanted: ds.Expression | None = None) -> pa.Table:
    """Rows of a live table; none when it does not exist yet."""
    handle = open_table(lake_root, table)
    schema = table.arrow_schema()
    return schema.empty_table() if handle is None else _read(handle, table, wanted, list(table.names))


def stored_minutes(handle: DeltaTable, day: date) -> pa.Table:
    """The MINUTES of a session, as the windows' table holds them."""
    of_day = (ds.field("trading_day") == day) & (ds.field("window_minutes") == 1)
    return _read(handle, INTRADAY_WINDOWS, of_day, list(MINUTES.names)).cast(MINUTES.arrow_schema())


def unfinal_windows(handle: DeltaTable, day: date) -> pa.Table:
    """source, kafka_partition and end_time of a session's windows that were not final when they were stored."""
    open_ones = (ds.field("trading_day") == day) & ~ds.field("final")
    return _read(handle, INTRADAY_WINDOWS, open_ones, ["source", "kafka_partition", "end_time"])


def _read(handle: DeltaTable, table: Table, wanted: ds.Expression | None, columns: list[str]) -> pa.Table:
    schema = pa.schema([table.arrow_schema().field(name) for name in columns])
    return handle.to_pyarrow_dataset().to_table(columns=columns, filter=wanted).cast(schema)


def replace(
    handle: DeltaTable, rows: pa.Table, predicate: str | None, batch: MicroBatch | None = None, alone: bool = True
) -> None:
    """Make ``rows`` the table's rows of ``predicate``, or add them when it is None, in one commit against the snapshot.

    Args:
        predicate: on columns the table is partitioned by; all of ``rows`` fulfil it.
        batch: noted in the same commit.
        alone: refuse the commit when another such one came after the snapshot.

    Raises:
        DeltaError: another writer was faster.
    """
    from deltalake import CommitProperties, Transaction, write_deltalake

    transactions = [next_rewrite(handle)] if alone else []
    if batch is not None:
        transactions.append(Transaction(batch.name, batch.number))
    properties = CommitProperties(app_transactions=transactions)
    if predicate is None:
        write_deltalake(handle, rows, mode="append", commit_properties=properties)
    else:
        write_deltalake(handle, rows, mode="overwrite", predicate=predicate, commit_properties=properties)


def of_days(days: Collection[date]) -> str:
    """The predicate for whole sessions."""
    return f"trading_day IN ({', '.join(repr(day.isoformat()) for day in sorted(days))})"


def of_hours(hours: dict[date, set[int]]) -> str:
    """The predicate for windows whose last minute is in these hours (UTC) of the sessions."""
    return " OR ".join(
        f"(trading_day = '{day}' AND end_hour IN ({', '.join(map(str, sorted(of_day)))}))"
        for day, of_day in hours.items()
    )
