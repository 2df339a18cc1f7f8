"""rows, suite -> verdict.

Belongs here: running Great Expectations once over a frame, in one context per process.
Does not belong here: the expectations (``suites``), what follows from a verdict (``defs.checks``), keeping it (``results``).
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from stock_assets.domain.table import Table
from stock_assets.quality import suites

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Breach:
    """One expectation that does not hold.

    Attributes:
        count: rows that break it; None for one of the table as a whole.
        of_session: the same per session.
    """

    what: str
    critical: bool
    count: int | None
    examples: list[Any]
    of_session: Mapping[date, int]

    def __str__(self) -> str:
        return f"{self.what}: {self.count if self.count is not None else 'some'} rows, e.g. {self.examples[:3]}"


@dataclass(frozen=True)
class Verdict:
    """What a suite says of some rows; ``expectations`` names all of them, those that hold too."""

    rows: int
    expectations: tuple[str, ...]
    breaches: list[Breach]

    @property
    def critical(self) -> bool:
        return any(breach.critical for breach in self.breaches)


def validate(table: Table, rows: pa.Table) -> Verdict:
    """Check accepted rows of a table against its suite; no rows are no breach."""
    if not rows.num_rows:
        return Verdict(0, (), [])
    frame = frame_of(table, rows)
    batch = batches(table).get_batch({"dataframe": frame})
    outcome = batch.validate(suite_of(table), result_format="SUMMARY")
    names = tuple(_name(result.expectation_config) for result in outcome.results)
    breaches = [_breach(result, batch, frame) for result in outcome.results if not result.success]
    return Verdict(rows.num_rows, names, breaches)


_TOLD_APART = Decimal(2**32)
"""Below it, doubles keep the order of decimals of six places, and no two of them become one."""


def frame_of(table: Table, rows: pa.Table) -> Any:
    """What the table's suite looks at."""
    return plain_frame(rows.select(suites.checked_columns(table)))


def plain_frame(rows: pa.Table) -> Any:
    """Rows as a plain pandas frame: Arrow-backed ones are 40 times slower here, decimals as objects hardly better.

    So decimals are doubles, unless some are too large to be compared exactly as such.
    """
    import pyarrow as pa

    decimals = [name for name in rows.column_names if pa.types.is_decimal(rows.schema.field(name).type)]
    if all(_largest(rows[name]) < _TOLD_APART for name in decimals):
        for name in decimals:
            rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.float64()))
    return rows.to_pandas()


def _largest(decimals: pa.ChunkedArray) -> Decimal:
    import pyarrow.compute as pc

    ends: dict[str, Decimal | None] = pc.min_max(decimals).as_py()
    return max(abs(end or Decimal(0)) for end in ends.values())


def _name(config: Any) -> str:
    """The expectation's type and the columns it is about."""
    about = [config.kwargs[name] for name in ("column", "column_A", "column_B", "column_list") if name in config.kwargs]
    return f"{config.type} {', '.join(map(str, about))}".strip()


def _breach(result: Any, batch: Any, frame: Any) -> Breach:
    name, error = _name(result.expectation_config), (result.exception_info or {}).get("exception_message")
    of_session: Mapping[date, int] = {}
    if result.result.get("unexpected_count"):
        # asked for alone and only now: the rows' places cost more than everything else
        again = batch.validate(result.expectation_config.to_domain_obj(), result_format="COMPLETE")
        places = again.result["unexpected_index_list"]
        of_session = Counter(frame["trading_day"].iloc[places])
    return Breach(
        what=name,
        critical="critical" in str(result.expectation_config.severity).lower(),
        count=result.result.get("unexpected_count"),
        examples=list(result.result.get("partial_unexpected_list") or [error or result.result.get("observed_value")]),
        of_session=of_session,
    )


@cache
def context() -> Any:
    """The one context of this process: in memory, silent, and without a word to anybody outside."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    made = gx.get_context(mode="ephemeral")
    made.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return made


def name_of(table: Table) -> str:
    """The table's name among those of Great Expectations, which become names of files."""
    return table.path.replace("/", ".")


@cache
def batches(table: Table) -> Any:
    """Where the table's frames are handed in."""
    name = name_of(table)
    source = context().data_sources.add_or_update_pandas(f"pandas {name}")
    return source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)


@cache
def suite_of(table: Table) -> Any:
    """The table's suite."""
    import great_expectations as gx

    return gx.ExpectationSuite(name=name_of(table), expectations=suites.suite(table))
