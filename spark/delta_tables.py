"""computed rows <-> Delta tables that Spark owns.

Belongs here: creating, reading, replacing and merging; each write is one commit, and none when nothing differs. A row that
breaks a critical rule is stored with the reason in the same commit as all others, and readers do not see it.
Does not belong here: what the rows mean, and raw tables' commits (delta-rs alone commits to those).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark.checkpoint import compute_once
from spark.evolve import conformed, evolve
from spark.marks import add_marks, same_row
from spark.verdicts import withheld_because
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import WITHHELD, Table

SymbolDay = tuple[str, date]
Ranges = Sequence[tuple[date, date]]
"""First and last session of each range, ascending."""

NO_VALUES = frozenset({"known_at", "repeats", "revision", "bars_used", "bars_revision", "actions_used"})
"""Columns that tell how a row came about: a change of them alone is no new revision of the row."""

_KEPT_WITH_VALUES = frozenset({"known_at", "revision"})
"""Of these, the ones that stay as they are until a value changes: hearing the same again is no news."""

# Few and large files. Statistics of columns would serve no read of ours (partitions prune, whole sessions and histories
# are read) and cost each small commit a second.
_PROPERTIES = {
    "delta.autoOptimize.optimizeWrite": "true",
    "delta.autoOptimize.autoCompact": "true",
    "delta.dataSkippingNumIndexedCols": "0",
}
_MISSING = {"PATH_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST", "DELTA_MISSING_DELTA_TABLE"}


@dataclass(frozen=True)
class Written:
    """What a write did.

    Attributes:
        rows: rows of the written scope that readers see, per session that has rows at all.
        changed: (symbol, session) pairs of which a value appeared, changed or vanished, ascending.
        withheld: rows of the written scope that readers do not see.
    """

    rows: dict[date, int]
    changed: list[SymbolDay]
    withheld: int = 0


def location(lake_root: str, table: Table) -> str:
    return f"{lake_root.rstrip('/')}/{table.path}"


def read(spark: SparkSession, lake_root: str, table: Table, version: int | None = None) -> DataFrame:
    """The table's rows less those that are withheld, of ``version`` when given; none when there is no such table yet."""
    rows = _find(spark, lake_root, table, version)
    if rows is None:
        return spark.createDataFrame([], table.ddl())
    if not table.withholds:
        return conformed(rows, table)
    # A table from before there were marks is judged as it is read.
    verdict = F.col(WITHHELD.name) if WITHHELD.name in rows.columns else withheld_because(table)
    return conformed(rows, table.stored).where(verdict.isNull()).select(*table.names)


def read_stored(spark: SparkSession, lake_root: str, table: Table) -> DataFrame:
    """For writers: all rows of the table, with WITHHELD as it is stored."""
    table = table.stored
    rows = _find(spark, lake_root, table)
    return spark.createDataFrame([], table.ddl()) if rows is None else conformed(rows, table)


def exists(spark: SparkSession, lake_root: str, table: Table) -> bool:
    """Whether there is such a table yet."""
    return _find(spark, lake_root, table) is not None


def read_or_create(spark: SparkSession, lake_root: str, table: Table) -> DataFrame:
    """The rows as ``read_stored``; a missing table is created, with the columns and layout of ``domain.tables``.

    A table of an earlier release gets the columns that it lacks; with WITHHELD its rows get their marks.

    Raises:
        TableDiffers: the stored table has other columns, and no upgrade leads to these.
    """
    table = table.stored
    rows = _find(spark, lake_root, table)
    if rows is not None:
        place = location(lake_root, table)
        unmarked = table.withholds and WITHHELD.name not in rows.columns
        if unmarked:
            add_marks(spark, place, table)
            rows = spark.read.format("delta").load(place)
        return read_stored(spark, lake_root, table) if evolve(rows, place, table) or unmarked else rows
    properties = ", ".join(f"'{name}' = '{value}'" for name, value in _PROPERTIES.items())
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS delta.`{location(lake_root, table)}` ({table.ddl()}) USING DELTA "
        f"PARTITIONED BY ({', '.join(table.partition_by)}) TBLPROPERTIES ({properties})"
    )
    # Not read back: what is known to be empty shortens every plan it is part of.
    return spark.createDataFrame([], table.ddl())


def _find(spark: SparkSession, lake_root: str, table: Table, version: int | None = None) -> DataFrame | None:
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    # The client logs every refusal as an error with its stack; that a table is missing at first is none.
    client_log = logging.getLogger("pyspark.sql.connect.logging")
    client_log.disabled = True
    try:
        rows = reader.load(location(lake_root, table))
        rows.schema  # noqa: B018  Connect looks for the table only now, classic Spark did while loading
    except AnalysisException as error:
        if error.getCondition() in _MISSING:
            return None
        raise
    finally:
        client_log.disabled = False
    return rows


def replace_sessions(
    spark: SparkSession, rows: DataFrame | None, lake_root: str, table: Table, ranges: Ranges
) -> Written:
    """Replace all rows of the sessions of ``ranges`` in one commit, or none when none are there nor come.

    ``rows`` must hold nothing else; None stands for no rows. ``changed`` names the symbols and sessions whose rows are
    not the same as before.

    Raises:
        PermanentError: two of ``rows`` have the same key; nothing is written.
    """
    table = table.stored
    # BETWEEN as text cannot be resolved within replaceWhere on Spark 4.0.
    between = " OR ".join(f"(trading_day >= DATE'{first}' AND trading_day <= DATE'{last}')" for first, last in ranges)
    before = _fingerprints(read_or_create(spark, lake_root, table).where(between), table)
    if rows is None and not before:
        return Written({}, [])
    marked = spark.createDataFrame([], table.ddl()) if rows is None else compute_once(_marked(rows, table))
    after = _fingerprints(marked, table)
    _refuse_repeats([pair for pair, found in after.items() if found.repeats], table)
    marked.write.format("delta").mode("overwrite").option("replaceWhere", between).save(location(lake_root, table))
    per_session: dict[date, int] = {}
    for (_, day), found in after.items():
        per_session[day] = per_session.get(day, 0) + found.rows - found.withheld
    changed = {pair for pair in before.keys() | after.keys() if before.get(pair) != after.get(pair)}
    withheld = sum(found.withheld for found in after.values())
    return Written(dict(sorted(per_session.items())), sorted(changed), withheld)


def _marked(rows: DataFrame, table: Table) -> DataFrame:
    """The rows in the columns of the stored table, each with its verdict."""
    return rows.withColumn(WITHHELD.name, withheld_because(table)).select(*table.names)


def _refuse_repeats(pairs: list[SymbolDay], table: Table) -> None:
    """A fault of the whole table: no row of it can be trusted, and nothing is stored."""
    if pairs:
        named = ", ".join(f"{symbol} {day}" for symbol, day in sorted(set(pairs))[:5])
        raise PermanentError(
            f"{table.path} would have more than one row for the same ({', '.join(table.key)}), of {named}: nothing was stored."
        )


@dataclass(frozen=True)
class _Fingerprint:
    """Rows of a symbol and session, a hash of them that does not depend on their order, and how many are withheld.

    ``repeats`` tells whether two of them have the same key.
    """

    rows: int
    mixed: int
    withheld: int
    repeats: bool


def _fingerprints(rows: DataFrame, table: Table) -> dict[SymbolDay, _Fingerprint]:
    of_key = rows.groupBy(*table.key).agg(
        F.count("*").alias("rows"),
        F.bit_xor(F.xxhash64(*table.names)).alias("mixed"),
        F.count(WITHHELD.name).alias("withheld"),
    )
    grouped = of_key.groupBy("symbol", "trading_day").agg(
        F.sum("rows"), F.bit_xor("mixed"), F.sum("withheld"), F.max("rows") > 1
    )
    return {(symbol, day): _Fingerprint(*found) for symbol, day, *found in grouped.collect()}


def merge_changed(rows: DataFrame, lake_root: str, table: Table, scope: Column) -> Written:
    """Make the rows of ``scope`` in the table equal to ``rows``, touching only what differs, in at most one commit.

    Values are compared null-safe. Rows that are new or whose values changed get the table's largest revision + 1;
    bookkeeping (NO_VALUES less known_at) is brought up to date without a new revision; rows of the scope that are not
    among ``rows`` are deleted.

    Args:
        rows: all columns of the table, one row per key; their ``revision`` is ignored.
        scope: condition on the table's columns, true for every one of ``rows``.

    Raises:
        PermanentError: two of ``rows`` have the same key; nothing is written.
    """
    spark, table = rows.sparkSession, table.stored
    stored = read_or_create(spark, lake_root, table)
    differences = compute_once(_differences(_marked(rows, table), stored, table, scope))
    held = F.col(WITHHELD.name).isNotNull()
    kinds = differences.groupBy(*table.key).agg(F.first("difference"), F.bool_or(held), F.count("*")).collect()
    named = [(row.symbol, row.trading_day, *row[len(table.key) :]) for row in kinds]
    _refuse_repeats([(symbol, day) for symbol, day, _, _, count in named if count > 1], table)
    differing = {kind for _, _, kind, _, _ in named} - {"same"}
    changes = differences.where("difference != 'same'")
    if differing == {"new"}:
        ordered = changes.drop("difference").coalesce(1).sortWithinPartitions(*table.partition_by, *table.key)
        ordered.write.format("delta").mode("append").save(location(lake_root, table))
    elif differing:
        _merge(changes, lake_root, table)
    per_session: dict[date, int] = {}
    for _, day, kind, withheld, _ in named:
        if kind != "gone":
            per_session[day] = per_session.get(day, 0) + (not withheld)
    changed = {(symbol, day) for symbol, day, kind, _, _ in named if kind in ("new", "changed", "gone")}
    count = sum(withheld for _, _, kind, withheld, _ in named if kind != "gone")
    return Written(dict(sorted(per_session.items())), sorted(changed), count)


def _differences(rows: DataFrame, stored: DataFrame, table: Table, scope: Column) -> DataFrame:
    """The table's columns as they should be, and ``difference``: new, changed, touched, gone or same."""
    kept = [name for name in table.names if name not in table.key]
    now = rows.select(*table.key, F.struct(*kept).alias("now"))
    was = stored.where(scope).select(*table.key, F.struct(*kept).alias("was"))
    newest = stored.agg(F.coalesce(F.max("revision"), F.lit(0)).alias("newest"))

    def differ(names: list[str]) -> Column:
        here, there = (F.struct(*(F.col(f"{side}.{name}") for name in names)) for side in ("now", "was"))
        return ~here.eqNullSafe(there)

    values = [name for name in kept if name not in NO_VALUES]
    touched = [name for name in kept if name in NO_VALUES - _KEPT_WITH_VALUES]
    difference = (
        F.when(F.col("was").isNull(), "new")
        .when(F.col("now").isNull(), "gone")
        .when(differ(values), "changed")
        .when(differ(touched) if touched else F.lit(False), "touched")
        .otherwise("same")
    )

    def column(name: str) -> Column:
        if name in table.key:
            return F.col(name)
        now_value, was_value = F.col(f"now.{name}"), F.col(f"was.{name}")
        fresh = F.col("difference").isin("new", "changed")
        if name == "revision":
            return F.when(fresh, F.col("newest") + 1).otherwise(was_value).alias(name)
        if name in _KEPT_WITH_VALUES:
            return F.when(fresh, now_value).otherwise(was_value).alias(name)
        return F.when(F.col("now").isNull(), was_value).otherwise(now_value).alias(name)

    joined = now.join(was, list(table.key), "full").crossJoin(F.broadcast(newest)).withColumn("difference", difference)
    return joined.select(*(column(name) for name in table.names), "difference")


def _merge(changes: DataFrame, lake_root: str, table: Table) -> None:
    spark = changes.sparkSession
    view = f"changes_{uuid4().hex}"
    changes.createOrReplaceTempView(view)
    columns = ", ".join(table.names)
    try:
        spark.sql(
            f"MERGE INTO delta.`{location(lake_root, table)}` t USING {view} c ON {same_row(table, 't', 'c')} "
            "WHEN MATCHED AND c.difference = 'gone' THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{name} = c.{name}' for name in table.names)} "
            f"WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({', '.join(f'c.{name}' for name in table.names)})"
        )
    finally:
        spark.catalog.dropTempView(view)
