"""daily bars, actions -> daily metrics, per symbol over its whole history.

Belongs here: one bar per symbol and session by preference of source, and the figures that look back from it.
Does not belong here: which rows of the table are stale (``jobs``), the recursive averages (``recursive_averages``),
today's basis (``adjusted``).

Prices are computed in one basis for a symbol, its oldest (price x the splits so far), and then brought into each
session's own: whatever is averaged, later splits change nothing that was stored before them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from spark.actions import actions_by_symbol, actions_of_preferred, split_factor
from spark.companies import company
from spark.recursive_averages import with_recursive_averages
from spark.table_shape import shaped
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Rename

SESSIONS_PER_YEAR = 252


def preferred_bars(
    daily_bars: DataFrame,
    raw_actions: DataFrame,
    bar_sources: Sequence[str],
    refused: Collection[tuple[str, date]] = (),
    renames: Collection[Rename] = (),
) -> DataFrame:
    """One bar per company and session, and what the metrics of the session will be built from.

    Args:
        bar_sources: sources in order of preference; sources not listed come last, alphabetically.
        refused: symbols and sessions whose bars are left out, of whatever source, as if there were none.
        renames: what makes one company of several symbols. A vendor's history under the present one and another's under the
            former are two sources of the same bars.

    Returns:
        the columns of the bar, whose ``symbol`` is the company's present one; traded_as: the bar's own; symbol_actions:
        the company's actions up to the session; bars_used: its bars up to the session; bars_revision: newest revision
        among them; actions_used: number of symbol_actions.
    """
    listed = F.array(*map(F.lit, bar_sources)).cast("array<string>")
    rank = F.nullif(F.array_position(listed, F.col("source")), F.lit(0))
    best_first = Window.partitionBy("symbol", "trading_day").orderBy(rank.asc_nulls_last(), "source", "traded_as")
    so_far = F.filter(F.col("symbol_actions"), lambda action: action["ex_date"] <= F.col("trading_day"))
    if refused:
        cells = daily_bars.sparkSession.createDataFrame(sorted(refused), "symbol STRING, trading_day DATE")
        daily_bars = daily_bars.join(F.broadcast(cells), ["symbol", "trading_day"], "left_anti")
    daily_bars = daily_bars.withColumns(
        {"traded_as": F.col("symbol"), "symbol": company("symbol", "trading_day", renames)}
    )
    raw_actions = raw_actions.withColumn("symbol", company("symbol", "ex_date", renames))
    actions = actions_by_symbol(raw_actions).select("symbol", actions_of_preferred(bar_sources).alias("symbol_actions"))
    return (
        daily_bars.withColumn("preference", F.row_number().over(best_first))
        .where("preference = 1")
        .drop("preference")
        .join(F.broadcast(actions), "symbol", "left")
        .withColumn("symbol_actions", so_far)
        .withColumns(
            {
                "bars_used": F.count("*").over(_so_far()),
                "bars_revision": F.max("revision").over(_so_far()),
                "actions_used": F.coalesce(F.size("symbol_actions"), F.lit(0)),
            }
        )
    )


def daily_metrics(bars: DataFrame) -> DataFrame:
    """DAILY_METRICS of ``preferred_bars``: whole histories, else what looks back starts too late.

    Windows are the company's available sessions; a figure is null until its window is full.
    """
    based = with_recursive_averages(_with_oldest_basis(bars), day="trading_day", price="based_close")
    figures = based.withColumns(_figures()).withColumns(
        {
            "change": F.col("close") - F.col("previous_close"),
            "macd_histogram": F.col("macd") - F.col("macd_signal"),
            "revision": F.lit(0),
            "symbol": F.col("traded_as"),
        }
    )
    percent = F.try_divide(F.col("change"), F.col("previous_close")) * 100
    return shaped(figures.withColumn("change_percent", percent), DAILY_METRICS)


def _with_oldest_basis(bars: DataFrame) -> DataFrame:
    """Adds ``factor`` (shares now per oldest share), prices and volume in the oldest basis, the log total return."""
    based = bars.withColumns(
        {
            "factor": split_factor(F.col("symbol_actions"), until=F.col("trading_day")),
            "previous_day": F.lag("trading_day").over(_history()),
            "switched": F.when(F.col("source") != F.lag("source").over(_history()), F.col("bars_used")),
        }
    )
    prices = {f"based_{name}": F.col(name).cast("double") * F.col("factor") for name in ("high", "low", "close")}
    based = based.withColumns(prices | {"based_volume": F.try_divide(F.col("volume"), F.col("factor"))})
    due = F.filter("symbol_actions", lambda a: (a["kind"] == "dividend") & (a["ex_date"] > F.col("previous_day")))
    # Cash is stated per share of its own ex-date.
    cash = F.aggregate(
        due,
        F.lit(0.0),
        lambda cash, a: cash + a["value"] * split_factor(F.col("symbol_actions"), until=a["ex_date"]),
    )
    paid = F.col("based_close") + F.coalesce(cash, F.lit(0.0))
    total_return = F.log(F.try_divide(paid, F.lag("based_close").over(_history())))
    return based.withColumn("total_return", total_return).drop("symbol_actions", "previous_day")


def _figures() -> dict[str, Column]:
    """Name of a figure -> its expression, in the session's own basis."""
    factor, seen = F.col("factor"), F.col("bars_used")

    def full(figure: Column, sessions: int) -> Column:
        return F.when(seen >= sessions, figure)

    def own(figure: Column) -> Column:
        # splits that multiply to nothing are absurd, but no reason to build no other symbol
        return F.try_divide(figure, factor)

    def average(sessions: int) -> Column:
        return own(full(F.avg("based_close").over(_last(sessions)), sessions))

    spread = 2 * F.stddev_pop("based_close").over(_last(20))
    middle = F.avg("based_close").over(_last(20))
    yearly = F.sqrt(F.lit(float(SESSIONS_PER_YEAR)))
    year = _last(SESSIONS_PER_YEAR)
    return {
        "year": F.year("trading_day"),
        # Two neighbours of the window differ, that is, a later one than its first switched.
        "mixed_sources": F.coalesce(F.max("switched").over(_so_far()) > seen - (SESSIONS_PER_YEAR - 1), F.lit(False)),
        "previous_close": own(F.lag("based_close").over(_history())),
        "day_range": F.col("high") - F.col("low"),
        "sma_5": average(5),
        "sma_20": average(20),
        "sma_50": average(50),
        "sma_200": average(200),
        "volatility_20": full(F.stddev_samp("total_return").over(_last(20)) * yearly, 21),
        "average_volume_20": F.when(
            F.count("based_volume").over(_last(20)) == 20, F.avg("based_volume").over(_last(20)) * factor
        ),
        "macd": own(F.col("macd")),
        "macd_signal": own(F.col("macd_signal")),
        "bollinger_upper": own(full(middle + spread, 20)),
        "bollinger_lower": own(full(middle - spread, 20)),
        "high_52_week": own(full(F.max("based_high").over(year), SESSIONS_PER_YEAR)),
        "low_52_week": own(full(F.min("based_low").over(year), SESSIONS_PER_YEAR)),
    }


def _history() -> WindowSpec:
    return Window.partitionBy("symbol").orderBy("trading_day")


def _so_far() -> WindowSpec:
    return _history().rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _last(sessions: int) -> WindowSpec:
    return _history().rowsBetween(1 - sessions, Window.currentRow)
