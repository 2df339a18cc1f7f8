"""raw actions -> splits and dividends of each symbol, each counted once.

Belongs here: which of the landed statements about an action counts, and the factors that follow from them.
Does not belong here: what is done to prices with a factor (``vendor_bars``, ``daily_metrics``, ``adjusted``).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from stock_assets.domain.source_names import BUILT_PATTERN
from stock_assets.domain.splits import SAME_RATIO, SAME_SPLIT_DAYS


def actions_by_symbol(raw_actions: DataFrame) -> DataFrame:
    """Accepted actions, one row per symbol.

    Of several statements of one vendor on the same (symbol, ex_date, kind) the newest known_at counts; equally new ones
    are told apart by value, so that the outcome never depends on the order of rows. Splits of the same ratio within
    SAME_SPLIT_DAYS are one: the newest counts, of equally new ones the later (``domain.splits`` says why).

    Returns:
        symbol; vendors: array of the sources that state any action of the symbol; actions: array of (ex_date, kind,
        value, source, known_at, newest, own), ascending, one per source, ex_date and kind; ``newest`` marks what counts
        among all sources, ``own`` what counts among those of its source.
    """
    newest_first = F.array_sort(
        F.collect_list(F.struct("ex_date", "kind", "statement.known_at", "statement.value", "source")),
        lambda a, b: F.when(a < b, -1).when(a > b, 1).otherwise(0),
    )
    stated = (
        raw_actions.where("rejected_because IS NULL")
        .groupBy("symbol", "source", "ex_date", "kind")
        .agg(F.max(F.struct("known_at", "value")).alias("statement"))
        .groupBy("symbol")
        .agg(newest_first.alias("stated"))
    )

    def newest(action: Column, position: Column) -> Column:
        following = F.get("stated", position + 1)
        same = (following["ex_date"] == action["ex_date"]) & (following["kind"] == action["kind"])
        return F.struct(
            action["ex_date"].alias("ex_date"),
            action["kind"].alias("kind"),
            action["value"].alias("value"),
            action["source"].alias("source"),
            action["known_at"].alias("known_at"),
            (~F.coalesce(same, F.lit(False))).alias("newest"),
        )

    def counted(action: Column) -> Column:
        def same_among(others: Column) -> Column:
            return F.exists(others, lambda other: _replaces(other, action))

        newer = same_among(F.filter("actions", lambda other: other["newest"]))
        newer_of_own = same_among(F.filter("actions", lambda other: other["source"] == action["source"]))
        return F.struct(
            *(action[name].alias(name) for name in ("ex_date", "kind", "value", "source", "known_at")),
            (action["newest"] & ~newer).alias("newest"),
            (~newer_of_own).alias("own"),
        )

    return (
        stated.withColumn("actions", F.transform("stated", newest))
        .withColumn("actions", F.transform("actions", counted))
        .select(
            "symbol",
            F.array_sort(F.array_distinct(F.transform("stated", lambda action: action["source"]))).alias("vendors"),
            "actions",
        )
    )


def _replaces(other: Column, action: Column) -> Column:
    """Whether ``other`` is the same split, said more lately."""
    near = F.abs(F.date_diff(other["ex_date"], action["ex_date"])) <= SAME_SPLIT_DAYS
    same = F.abs(other["value"] - action["value"]) <= SAME_RATIO * action["value"]
    later = (other["known_at"] > action["known_at"]) | (
        (other["known_at"] == action["known_at"]) & (other["ex_date"] > action["ex_date"])
    )
    return (other["kind"] == "split") & (action["kind"] == "split") & near & same & later


def vendor_of(source: Column) -> Column:
    """The vendor behind a bar's source: its name without ``_ticks`` or ``_minutes``."""
    return F.regexp_replace(source, BUILT_PATTERN, "")


def actions_of_vendor(vendor: Column) -> Column:
    """A row's actions as ``vendor`` states them when it states any for the symbol, else the newest of all vendors."""
    own = F.array_contains("vendors", vendor)
    return F.filter("actions", lambda a: F.when(own, (a["source"] == vendor) & a["own"]).otherwise(a["newest"]))


def actions_of_preferred(bar_sources: Sequence[str]) -> Column:
    """A row's actions as the first vendor of ``bar_sources`` that states any for the symbol, else the newest of all."""
    preferred = F.array(*(vendor_of(F.lit(source)) for source in bar_sources)).cast("array<string>")
    return actions_of_vendor(
        F.coalesce(F.get(F.filter(preferred, lambda v: F.array_contains("vendors", v)), 0), F.lit(""))
    )


def split_factor(actions: Column, until: Column, after: Column | None = None) -> Column:
    """New shares per old share of the splits with ``after`` < ex_date <= ``until``; 1.0 without any, never null.

    The product is taken in the order of ex-dates, so that the same splits give the same double.
    """

    def applies(action: Column) -> Column:
        in_time = (action["kind"] == "split") & (action["ex_date"] <= until)
        return in_time if after is None else in_time & (action["ex_date"] > after)

    product = F.aggregate(F.filter(actions, applies), F.lit(1.0), lambda factor, a: factor * a["value"])
    return F.coalesce(product, F.lit(1.0))


_DIGESTED = {"ex_date": "date", "kind": "string", "value": "decimal(18,6)"}


def actions_digest(actions: Column) -> Column:
    """One number for a row's actions, 0 without any: how many x 10^10 + a checksum of their ex-dates, kinds and values.

    A corrected value leaves the number of actions as it was; what was built from them must still be told apart.
    """
    texts = F.transform(
        actions, lambda a: F.concat_ws(" ", *(a[name].cast(kind).cast("string") for name, kind in _DIGESTED.items()))
    )
    return F.coalesce(F.size(actions) * F.lit(10**10) + F.crc32(F.concat_ws(";", texts)), F.lit(0)).cast("bigint")
