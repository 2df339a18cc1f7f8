"""raw bars -> bars and metrics, as Spark's jobs build them, in plain Python.

Belongs here: stages that take milliseconds, for tests of what happens around them: rows, marks and revisions are the real
ones, and a fault can be put before or after the commit of each.
Does not belong here: expected results (``oracle``), from which the rows come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from spark.jobs import StageReport
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.rules import broken_rules
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_BARS
from stock_assets.domain.universe import Rename
from stock_assets.lake.tables import read_sessions
from stock_assets_tests.pipeline import oracle
from stock_assets_tests.pipeline.oracle_metrics import daily_metrics

Row = dict[str, Any]


class Faults:
    """Where the next build breaks: ``before`` or ``after`` the commit of a stage; nowhere when it is not set."""

    def __init__(self) -> None:
        self.place = ""

    def at(self, place: str) -> None:
        if self.place == place:
            raise PermanentError(f"a fault {place}")


class PythonStages:
    """Functions to put in the place of ``spark.jobs``'."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def build_minute_bars(self, _: Any, lake: str, first: date, last: date, **given: Any) -> StageReport:
        rows = oracle.minute_bars_from_vendors(_raw(lake, RAW_BARS, given["raw_bars_version"]), [])
        return self._store(lake, MINUTE_BARS, rows, lambda row: row["trading_day"] in given["days"])

    def build_daily_bars(self, _: Any, lake: str, first: date, last: date, **given: Any) -> StageReport:
        rows = oracle.daily_bars_from_vendors(_raw(lake, RAW_BARS, given["raw_bars_version"]), [])
        return self._store(lake, DAILY_BARS, rows, lambda row: row["trading_day"] in given["days"])

    def build_daily_metrics(
        self,
        _: Any,
        lake: str,
        sources: Sequence[str],
        first: date | None,
        last: date | None,
        refused: Collection[tuple[str, date]],
        _renames: Collection[Rename],
    ) -> StageReport:
        bars = read_sessions(lake, DAILY_BARS, list(DAILY_BARS.names)).to_pylist()
        bars = [bar for bar in bars if (bar["symbol"], bar["trading_day"]) not in refused]
        return self._store(lake, DAILY_METRICS, daily_metrics(bars, [], sources), lambda _: True)

    def _store(self, lake: str, table: Table, rows: list[Row], scope: Callable[[Row], bool]) -> StageReport:
        self._faults.at(f"before {table.path}")
        names = table.stored.names
        stored = _all(lake, table)
        kept = [row for row in stored if not scope(row)]
        was = {tuple(row[name] for name in table.key): row for row in stored if scope(row)}
        newest = max((row.get("revision") or 0 for row in stored), default=0) if "revision" in names else 0
        now: dict[tuple[Any, ...], Row] = {}
        for row in filter(scope, rows):
            marked = {name: row.get(name) for name in names} | {
                "withheld_because": "; ".join(broken_rules(table, row)) or None
            }
            before = was.get(key := tuple(row[name] for name in table.key))
            same = before is not None and all(
                before[n] == marked[n] for n in names if n not in ("revision", "known_at")
            )
            now[key] = before if same and before is not None else marked | {"revision": newest + 1}
        if now != was:
            arrow = pa.Table.from_pylist([*kept, *now.values()], schema=table.stored.arrow_schema())
            write_deltalake(f"{lake}/{table.path}", arrow, mode="overwrite", partition_by=list(table.partition_by))
        self._faults.at(f"after {table.path}")
        counts: dict[date, int] = {}
        for row in now.values():
            counts[row["trading_day"]] = counts.get(row["trading_day"], 0) + (row["withheld_because"] is None)
        changed = {(row["symbol"], row["trading_day"]) for k in now.keys() | was.keys() if now.get(k) != was.get(k)
                   for row in (now.get(k) or was[k],)}  # fmt: skip
        return StageReport(counts, sorted(changed), 0.0)


def _raw(lake: str, table: Table, version: int | None) -> list[Row]:
    if version is None:
        return []
    rows: list[Row] = DeltaTable(f"{lake}/{table.path}", version=version).to_pyarrow_table().to_pylist()
    return rows


def _all(lake: str, table: Table) -> list[Row]:
    if not DeltaTable.is_deltatable(f"{lake}/{table.path}"):
        return []
    rows: list[Row] = DeltaTable(f"{lake}/{table.path}").to_pyarrow_table().to_pylist()
    return rows
