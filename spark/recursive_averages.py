"""closes of each symbol, in order -> RSI and MACD beside them.

Belongs here: the averages in which every value depends on the one before (exponential, Wilder's), which window
functions cannot express: they are folds over the symbol's whole array of closes.
Does not belong here: everything a window function can do (``daily_metrics``).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

RSI_SESSIONS = 14
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
_AVERAGES = ("rsi_14", "macd", "macd_signal")


def with_recursive_averages(rows: DataFrame, day: str, price: str) -> DataFrame:
    """Adds rsi_14, macd and macd_signal (doubles, unrounded, in the basis of ``price``), null until they are defined.

    Args:
        rows: one row per ``symbol`` and ``day``.
        day: column that orders a symbol's rows.
        price: column of non-null doubles.
    """
    fields = F.struct(day, *(name for name in rows.columns if name not in (day, "symbol")))
    histories = rows.groupBy("symbol").agg(F.array_sort(F.collect_list(fields)).alias("history"))
    for step in (_closes_and_changes(price), _averaged(), _indicators()):
        histories = histories.withColumns(step)
    aligned = F.arrays_zip("history", *(_aligned(name).alias(name) for name in _AVERAGES))
    exploded = histories.select("symbol", F.explode(aligned).alias("row"))
    return exploded.select("symbol", "row.history.*", *(f"row.{name}" for name in _AVERAGES))


# Each array below ends with the newest session; what it lacks in front are the sessions before it is defined.


def _closes_and_changes(price: str) -> dict[str, Column]:
    closes = F.transform("history", lambda row: row[price])
    rest = F.slice("history", 2, F.size("history"))
    return {
        "closes": closes,
        "changes": F.transform(rest, lambda row, i: row[price] - F.get("history", i)[price]),
    }


def _averaged() -> dict[str, Column]:
    gains = F.transform("changes", lambda change: F.greatest(change, F.lit(0.0)))
    losses = F.transform("changes", lambda change: F.greatest(-change, F.lit(0.0)))
    return {
        "fast": _smoothed(F.col("closes"), MACD_FAST, 2 / (MACD_FAST + 1)),
        "slow": _smoothed(F.col("closes"), MACD_SLOW, 2 / (MACD_SLOW + 1)),
        "gain": _smoothed(gains, RSI_SESSIONS, 1 / RSI_SESSIONS),
        "loss": _smoothed(losses, RSI_SESSIONS, 1 / RSI_SESSIONS),
    }


def _indicators() -> dict[str, Column]:
    def strength(gain: Column, loss: Column) -> Column:
        # Prices that never moved are neither strong nor weak.
        return F.coalesce(F.try_divide(gain, gain + loss), F.lit(0.5)) * 100

    macd = F.transform("slow", lambda slow, i: F.get("fast", i + MACD_SLOW - MACD_FAST) - slow)
    return {
        "rsi_14": F.zip_with("gain", "loss", strength),
        "macd": macd,
        "macd_signal": _smoothed(macd, MACD_SIGNAL, 2 / (MACD_SIGNAL + 1)),
    }


def _smoothed(values: Column, window: int, weight: float) -> Column:
    """Array of the exponential averages of ``values``, seeded by the simple mean of the first ``window`` of them."""
    seed = F.aggregate(F.slice(values, 1, window), F.lit(0.0), lambda total, value: total + value) / window

    def append(averages: Column, value: Column) -> Column:
        newest = F.element_at(averages, -1)
        return F.concat(averages, F.array(newest + (value - newest) * weight))

    rest = F.slice(values, window + 1, F.size(values))
    return F.when(F.size(values) >= window, F.aggregate(rest, F.array(seed), append)).otherwise(
        F.array().cast("array<double>")
    )


def _aligned(name: str) -> Column:
    missing = F.size("history") - F.size(name)
    return F.concat(F.array_repeat(F.lit(None).cast("double"), missing), F.col(name))
