"""daily bars, actions -> the metrics they should become, in plain pandas.

Belongs here: the definitions once more, by another route than ``spark/``: for each session its whole history is
rewritten in that session's own basis.
Does not belong here: anything imported from ``spark/``, and bars (``oracle``).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from math import log, sqrt

import pandas as pd

from stock_assets_tests.pipeline.oracle import Row, six, stated_actions


def daily_metrics(bars: Iterable[Row], actions: Sequence[Row], bar_sources: Sequence[str]) -> list[Row]:
    """Metrics of each symbol and session; the history of each session is rewritten in that session's basis."""
    histories: dict[str, dict[date, Row]] = defaultdict(dict)
    listed = list(bar_sources)

    def preference(source: str) -> tuple[int, str]:
        return (listed.index(source) if source in listed else len(listed), source)

    for bar in bars:
        known = histories[bar["symbol"]].get(bar["trading_day"])
        if known is None or preference(bar["source"]) < preference(known["source"]):
            histories[bar["symbol"]][bar["trading_day"]] = bar
    vendors = [source.removesuffix("_ticks").removesuffix("_minutes") for source in listed]
    return [
        _metrics([by_day[day] for day in sorted(by_day)][: count + 1], stated_actions(actions, symbol, vendors))
        for symbol, by_day in histories.items()
        for count in range(len(by_day))
    ]


def _metrics(history: list[Row], actions: list[tuple[date, str, float]]) -> Row:
    """Metrics of the last session of ``history``."""
    bar = history[-1]
    today = bar["trading_day"]

    def splits(after: date) -> float:
        """New shares per share held after the close of ``after``."""
        product = 1.0
        for ex_date, kind, value in actions:
            if kind == "split" and after < ex_date <= today:
                product *= value
        return product

    closes = pd.Series([float(b["close"]) / splits(b["trading_day"]) for b in history])
    highs = [float(b["high"]) / splits(b["trading_day"]) for b in history]
    lows = [float(b["low"]) / splits(b["trading_day"]) for b in history]
    volumes = [None if b["volume"] is None else float(b["volume"]) * splits(b["trading_day"]) for b in history]
    returns = []
    for position in range(max(1, len(history) - 20), len(history)):
        since, day = history[position - 1]["trading_day"], history[position]["trading_day"]
        cash = sum(v / splits(x) for x, kind, v in actions if kind == "dividend" and since < x <= day)
        returns.append(log((closes[position] + cash) / closes[position - 1]))
    seen = len(history)
    previous = None if seen < 2 else float(closes[seen - 2])
    change = None if previous is None else float(closes.iloc[-1]) - previous
    macds = _macds(list(closes))
    signal = (_emas(macds, 9) or [None])[-1]
    sma_20 = None if seen < 20 else closes[-20:].mean()
    spread = None if seen < 20 else 2 * closes[-20:].std(ddof=0)
    recent = volumes[-20:]
    figures = {
        "previous_close": previous,
        "change": change,
        "change_percent": None if change is None else 100 * change / previous,
        "day_range": bar["high"] - bar["low"],
        **{f"sma_{n}": None if seen < n else closes[-n:].mean() for n in (5, 20, 50, 200)},
        "volatility_20": None if len(returns) < 20 else pd.Series(returns).std(ddof=1) * sqrt(252),
        "average_volume_20": None if seen < 20 or None in recent else sum(recent) / 20,
        "rsi_14": _rsi(list(closes)),
        "macd": macds[-1] if macds else None,
        "macd_signal": signal,
        "macd_histogram": None if signal is None else macds[-1] - signal,
        "bollinger_upper": None if spread is None else sma_20 + spread,
        "bollinger_lower": None if spread is None else sma_20 - spread,
        "high_52_week": None if seen < 252 else max(highs[-252:]),
        "low_52_week": None if seen < 252 else min(lows[-252:]),
    }
    return {
        **{name: bar[name] for name in ("year", "symbol", "trading_day", "source", "open", "high", "low", "close")},
        **{name: bar[name] for name in ("volume", "vwap", "currency")},
        "mixed_sources": len({b["source"] for b in history[-252:]}) > 1,
        **{name: six(value) for name, value in figures.items()},
        "bars_used": seen,
        "bars_revision": max(b["revision"] for b in history),
        "actions_used": sum(ex_date <= today for ex_date, _, _ in actions),
        "revision": 0,
    }


def _emas(values: Sequence[float], window: int) -> list[float]:
    """The average after each value from the ``window``-th on."""
    if len(values) < window:
        return []
    averages = [sum(values[:window]) / window]
    for value in values[window:]:
        averages.append(value * 2 / (window + 1) + averages[-1] * (window - 1) / (window + 1))
    return averages


def _macds(closes: list[float]) -> list[float]:
    return [fast - slow for fast, slow in zip(_emas(closes, 12)[14:], _emas(closes, 26), strict=True)]


def _rsi(closes: list[float]) -> float | None:
    if len(closes) < 15:
        return None
    changes = [after - before for before, after in itertools.pairwise(closes)]
    ups, downs = [max(c, 0.0) for c in changes], [max(-c, 0.0) for c in changes]
    up, down = sum(ups[:14]) / 14, sum(downs[:14]) / 14
    for gain, loss in zip(ups[14:], downs[14:], strict=True):
        up, down = (up * 13 + gain) / 14, (down * 13 + loss) / 14
    if up == down == 0:
        return 50.0
    return 100.0 if down == 0 else 100 - 100 / (1 + up / down)
