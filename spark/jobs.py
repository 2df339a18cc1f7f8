"""lake -> minute bars, daily bars, daily metrics, back into the lake.

Belongs here: the stages as Dagster and ``spark-submit`` call them: read, apply the pure functions, write.
Does not belong here: rules of meaning (the pure functions') and how rows are stored (``delta_tables``).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark import delta_tables
from spark.actions import actions_digest
from spark.companies import company
from spark.daily_bars import daily_bars_from_minutes, daily_bars_from_ticks, daily_bars_from_vendors
from spark.daily_metrics import daily_metrics, preferred_bars
from spark.delta_tables import Ranges, SymbolDay, Written
from spark.minute_bars import minute_bars_from_ticks, minute_bars_from_vendors
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from spark.verdicts import withheld_because
from stock_assets.domain.quality_tables import RECONCILIATION
from stock_assets.domain.sessions import contiguous_ranges
from stock_assets.domain.table import WITHHELD
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets.domain.universe import SIMULATED, Rename, same_companies


@dataclass(frozen=True)
class StageReport:
    """What a stage did.

    Attributes:
        rows: rows per session in what the stage computed, less those that are withheld.
        changed: (symbol, session) pairs of which a value appeared, changed or vanished, ascending.
        seconds: wall time of the stage.
        withheld: rows in what the stage computed that break a critical rule.
    """

    rows: dict[date, int]
    changed: list[SymbolDay]
    seconds: float
    withheld: int = 0


@dataclass(frozen=True)
class _Raw:
    """The raw rows of a range of sessions, at fixed versions; ticks and bars of other sessions are left out."""

    ticks: DataFrame
    bars: DataFrame
    actions: DataFrame
    times: DataFrame
    without: Collection[str]

    def tick_sources(self) -> set[str]:
        if "ticks" in self.without:
            return set()
        return {row.source for row in self.ticks.select("source").distinct().collect()}

    def has_minutes(self) -> bool:
        return "minutes" not in self.without and not self.minutes().isEmpty()

    def minutes(self) -> DataFrame:
        return self.bars.where("interval = '1m'")


def build_minute_bars(
    spark: SparkSession,
    lake_root: str,
    first: date,
    last: date,
    raw_ticks_version: int | None = None,
    raw_bars_version: int | None = None,
    raw_actions_version: int | None = None,
    days: Collection[date] | None = None,
    without: Collection[str] = (),
) -> StageReport:
    """Rebuild the minute bars of the sessions from ``first`` to ``last`` in one commit.

    Args:
        lake_root: folder or URL that holds the tables.
        days: only these sessions of them.
        raw_ticks_version, raw_bars_version, raw_actions_version: Delta versions to read, the newest when None.
        without: ``ticks`` and ``minutes``, as far as these sessions are known to have none; Spark is not asked then.
    """
    started = time.monotonic()
    ranges = _ranges(first, last, days)
    raw = _raw(spark, lake_root, ranges, raw_ticks_version, raw_bars_version, raw_actions_version, without)
    parts = []
    sources = raw.tick_sources()
    if sources:
        parts.append(minute_bars_from_ticks(eligible_ticks(raw.ticks, raw.times, sources)))
    if raw.has_minutes():
        parts.append(minute_bars_from_vendors(raw.minutes(), raw.actions, raw.times))
    bars = reduce(DataFrame.unionByName, parts) if parts else None
    return _report(delta_tables.replace_sessions(spark, bars, lake_root, MINUTE_BARS, ranges), started)


def build_daily_bars(
    spark: SparkSession,
    lake_root: str,
    first: date,
    last: date,
    raw_ticks_version: int | None = None,
    raw_bars_version: int | None = None,
    raw_actions_version: int | None = None,
    days: Collection[date] | None = None,
    without: Collection[str] = (),
) -> StageReport:
    """Bring the daily bars of the sessions from ``first`` to ``last`` up to date, of every source.

    Args:
        lake_root: folder or URL that holds the tables.
        days: only these sessions of them.
        raw_ticks_version, raw_bars_version, raw_actions_version: Delta versions to read, the newest when None.
        without: ``ticks`` and ``minutes``, as far as these sessions are known to have none; Spark is not asked then.
    """
    started = time.monotonic()
    ranges = _ranges(first, last, days)
    raw = _raw(spark, lake_root, ranges, raw_ticks_version, raw_bars_version, raw_actions_version, without)
    bars = daily_bars_from_vendors(raw.bars, raw.actions, raw.times)
    # Parts that would come out empty are left out: planning them costs as much as the rest.
    if raw.has_minutes():
        bars = bars.unionByName(daily_bars_from_minutes(raw.bars, raw.actions, raw.times))
    sources = raw.tick_sources()
    if sources:
        bars = bars.unionByName(daily_bars_from_ticks(eligible_ticks(raw.ticks, raw.times, sources)))
    return _report(delta_tables.merge_changed(bars, lake_root, DAILY_BARS, _years_and_days(ranges)), started)


def build_daily_metrics(
    spark: SparkSession,
    lake_root: str,
    bar_sources: Sequence[str],
    first: date | None = None,
    last: date | None = None,
    refused: Collection[SymbolDay] = (),
    renames: Collection[Rename] = (),
) -> StageReport:
    """Bring the daily metrics up to date with the daily bars and the actions.

    A company is recomputed, over its whole history, when a stored row no longer tells the bars, revisions, actions and
    source that the tables now hold, or is not withheld as the rules now say, and when it has a bar in the forced range; only
    rows that differ are written.

    Args:
        lake_root: folder or URL that holds the tables.
        bar_sources: sources of daily bars in order of preference; others come last, alphabetically.
        first: first session of the forced range, none when None.
        last: last session of the forced range, ``first`` when None.
        refused: symbols and sessions whose bars are left out; rows that were built from them go.
        renames: what makes one company of several symbols.
    """
    started = time.monotonic()
    _prepare(spark)
    actions = delta_tables.read(spark, lake_root, RAW_ACTIONS)
    # an invented market ends in bars: nobody is to find it among companies
    real = delta_tables.read(spark, lake_root, DAILY_BARS).where(~F.col("symbol").rlike(f"^{SIMULATED.pattern}$"))
    bars = preferred_bars(real, actions, bar_sources, refused, renames)
    # Stored instead of their number: an action whose value was corrected makes rows stale too.
    bars = bars.withColumn("actions_used", actions_digest(F.col("symbol_actions")))
    forced = F.lit(False) if first is None else _of_sessions([(first, last or first)])
    stale = _stale_companies(bars, delta_tables.read_stored(spark, lake_root, DAILY_METRICS), forced, renames)
    if not stale:
        return StageReport({}, [], time.monotonic() - started)
    # A symbol may have been of several companies: then these are recomputed together.
    scope = F.col("symbol").isin(*sorted(same_companies(stale, renames)))
    return _report(
        delta_tables.merge_changed(daily_metrics(bars.where(scope)), lake_root, DAILY_METRICS, scope), started
    )


def disagreeing(spark: SparkSession, lake_root: str) -> frozenset[SymbolDay]:
    """Symbols and sessions of which the stored reconciliation says that vendors disagree, in one pair at least."""
    verdicts = delta_tables.read(spark, lake_root, RECONCILIATION).where("verdict = 'disagree'")
    return frozenset((row.symbol, row.trading_day) for row in verdicts.select("symbol", "trading_day").collect())


def _stale_companies(bars: DataFrame, metrics: DataFrame, forced: Column, renames: Collection[Rename]) -> list[str]:
    """Companies of which a row of the metrics was not built from what the bars now say, was judged otherwise, or is forced."""
    built_from = ("source", "bars_used", "bars_revision", "actions_used")
    key = ("symbol", "trading_day")
    bars = bars.select("*", F.col("symbol").alias("company")).withColumn("symbol", F.col("traded_as"))
    now = bars.select(*key, "company", F.struct(*(F.col(name) for name in built_from)).alias("now"))
    judged = F.col(WITHHELD.name).eqNullSafe(withheld_because(DAILY_METRICS)).alias("judged")
    was = metrics.select(*key, F.struct(*(F.col(name) for name in built_from)).alias("was"), judged)
    same = F.col("now").eqNullSafe(F.col("was")) & F.col("judged") & ~forced
    different = now.join(was, list(key), "full").where(~F.coalesce(same, F.lit(False)))
    stale = different.select(F.coalesce("company", company(*key, renames)).alias("company")).distinct()
    return sorted(row.company for row in stale.collect())


def _raw(
    spark: SparkSession,
    lake_root: str,
    ranges: Ranges,
    ticks_version: int | None,
    bars_version: int | None,
    actions_version: int | None,
    without: Collection[str],
) -> _Raw:
    _prepare(spark)
    ticks = delta_tables.read(spark, lake_root, RAW_TICKS, ticks_version).where(_of_sessions(ranges))
    bars = delta_tables.read(spark, lake_root, RAW_BARS, bars_version).where(_years_and_days(ranges))
    return _Raw(
        ticks=ticks.where("rejected_because IS NULL"),
        bars=bars.where("rejected_because IS NULL"),
        actions=delta_tables.read(spark, lake_root, RAW_ACTIONS, actions_version),
        times=session_times(spark, ranges[0][0], ranges[-1][1]),
        without=without,
    )


def _prepare(spark: SparkSession) -> None:
    # The exchange-local day of an instant is computed by shifting it; that needs the session to speak UTC.
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Partitions prune what is read; looking for more to skip costs each scan a job and skips nothing.
    spark.conf.set("spark.databricks.delta.stats.skipping", "false")


def _ranges(first: date, last: date, days: Collection[date] | None) -> Ranges:
    """What is built, as ranges without a session between them that is not."""
    return [(first, last)] if days is None else list(contiguous_ranges([*days]))


def _of_sessions(ranges: Ranges) -> Column:
    day = F.col("trading_day")
    return _any_of([day.between(F.lit(first), F.lit(last)) for first, last in ranges])


def _any_of(conditions: Sequence[Column]) -> Column:
    """A balanced tree: a chain is as deep as it is long, and protobuf refuses messages nested a hundred levels deep."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return _any_of(conditions[:half]) | _any_of(conditions[half:])


def _years_and_days(ranges: Ranges) -> Column:
    """The sessions of the ranges, said so that a table partitioned by year opens only what it must."""
    years = {year for first, last in ranges for year in range(first.year, last.year + 1)}
    return F.col("year").isin(*sorted(years)) & _of_sessions(ranges)


def _report(written: Written, started: float) -> StageReport:
    return StageReport(written.rows, written.changed, time.monotonic() - started, written.withheld)
