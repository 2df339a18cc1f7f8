"""rows of the raw tables -> the bars and metrics they should become, in plain Python and pandas.

Belongs here: the rules of meaning once more, by another route than ``spark/``: loops over one session's trades, and for
each session its whole history rewritten in that session's own basis.
Does not belong here: anything imported from ``spark/``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isnan, log, sqrt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from stock_assets.domain.eligibility import CONDITIONS, Condition
from stock_assets.domain.sessions import session

Row = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
SNAPSHOTS = {"yahoo"}


def six(value: float | Decimal | None) -> Decimal | None:
    """Rounded half up at 6 places."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return None
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    return exact.quantize(Decimal("0.000001"), ROUND_HALF_UP)


# ------------------------------------------------------------------------------------------------ ticks


def minute_bars_from_ticks(ticks: Iterable[Row]) -> list[Row]:
    bars = []
    for (day, symbol, source), trades in _streams(ticks).items():
        minutes: dict[datetime, list[Row]] = defaultdict(list)
        for trade in trades:
            minutes[trade["event_time"].replace(second=0, microsecond=0)].append(trade)
        for start, within in minutes.items():
            figures = _figures(within, source)
            if figures:
                row = {"trading_day": day, "symbol": symbol, "source": f"{source}_ticks", "start_time": start}
                bars.append(row | {"phase": _phase(start)} | figures)
    return bars


def daily_bars_from_ticks(ticks: Iterable[Row]) -> list[Row]:
    bars = []
    for (day, symbol, source), trades in _streams(ticks).items():
        within = [trade for trade in trades if trade["regular"]]
        figures = _figures(within, source)
        if not figures:
            continue
        openings = [t for t in within if "opening_print" in t["marks"] and "updates_open" in t["may"]]
        closings = [t for t in within if "closing_print" in t["marks"] and "updates_last" in t["may"]]
        if openings:
            figures["open"] = six(openings[0]["price"])
        if closings:
            figures["close"] = six(closings[-1]["price"])
        bars.append(
            {"year": day.year, "trading_day": day, "symbol": symbol, "source": f"{source}_ticks"}
            | figures
            | {
                "vwap_from": None if figures["vwap"] is None else "ticks",
                "repeats": sum(t["repeats"] for t in trades),
                "half_day": session(day).half_day,
                "no_auction": False,
                "final": any(t["event_time"] >= session(day).close_time for t in trades),
                "known_at": max(t["event_time"] for t in within),
                "revision": 0,
            }
        )
    return bars


def _streams(ticks: Iterable[Row]) -> dict[tuple[date, str, str], list[Row]]:
    """Trades of each stream, each once, in order, with ``may``, ``marks``, ``regular``, ``shares`` and ``repeats``."""
    events: dict[tuple[date, str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for tick in ticks:
        if tick.get("rejected_because") is None:
            events[tick["trading_day"], tick["symbol"], tick["source"]][tick["event_id"]].append(tick)
    streams = {}
    for key, by_id in events.items():
        trades = []
        for same in by_id.values():
            chosen = min(same, key=lambda t: (_order(t)[:3], _values(t)))
            trades.append({**chosen, "repeats": len(same) - 1})
        trades.sort(key=_order)
        highest: int | None = None
        for trade in trades:
            _mark(trade, key[2], key[0])
            trade["shares"] = trade.get("size")
            if key[2] in SNAPSHOTS:
                volume = trade.get("day_volume")
                trade["shares"] = None if volume is None else 0 if highest is None else max(0, volume - highest)
                highest = volume if highest is None else highest if volume is None else max(volume, highest)
        streams[key] = trades
    return streams


def _order(trade: Row) -> tuple[Any, ...]:
    return (
        trade["event_time"],
        _null_first(trade.get("sequence")),
        _null_first(trade.get("day_volume")),
        trade["event_id"],
    )


def _values(trade: Row) -> tuple[Any, ...]:
    names = ("price", "size", "bid", "ask", "exchange", "conditions", "currency")
    return tuple(_null_first(trade.get(name)) for name in names)


def _null_first(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _mark(trade: Row, source: str, day: date) -> None:
    codes = set(trade.get("conditions") or [])
    spoken: list[Condition] = [c for c in CONDITIONS if c.source == source and c.code in codes]
    figures = ("updates_open", "updates_high_low", "updates_last", "updates_volume")
    trade["may"] = {figure for figure in figures if all(getattr(c, figure) for c in spoken)}
    trade["marks"] = {
        mark for mark in ("opening_print", "closing_print", "extended") if any(getattr(c, mark) for c in spoken)
    }
    hours, instant = session(day), trade["event_time"]
    end = hours.close_time + timedelta(minutes=15 if "closing_print" in trade["marks"] else 0)
    trade["regular"] = hours.open_time <= instant < end and "extended" not in trade["marks"]


def _phase(instant: datetime) -> str:
    local = instant.astimezone(NEW_YORK)
    minute = local.hour * 60 + local.minute
    close = 13 * 60 if session(local.date()).half_day else 16 * 60
    if minute < 4 * 60 or minute >= 20 * 60:
        return "overnight"
    return "pre" if minute < 9 * 60 + 30 else "regular" if minute < close else "post"


def _figures(trades: Sequence[Row], source: str) -> Row:
    """What the trades, in order, make of a bar; nothing when they update no price."""
    opens = [t["price"] for t in trades if "updates_open" in t["may"]]
    ranged = [t["price"] for t in trades if "updates_high_low" in t["may"]]
    lasts = [t["price"] for t in trades if "updates_last" in t["may"]]
    if not ranged or not lasts:
        return {}
    sized = [t for t in trades if "updates_volume" in t["may"]]
    known = [t for t in sized if t["shares"] is not None]
    weighed = [t for t in known if t["may"] & {"updates_high_low", "updates_last"}]
    shares = sum(t["shares"] for t in weighed)
    turnover = sum((six(t["price"]) * t["shares"] for t in weighed), Decimal(0))
    return {
        "open": six((opens or lasts)[0]),
        "high": six(max(ranged)),
        "low": six(min(ranged)),
        "close": six(lasts[-1]),
        "volume": sum(t["shares"] for t in known) if known else None,
        "vwap": six(turnover / shares) if shares else None,
        "trade_count": None if source in SNAPSHOTS else len(sized),
        "currency": min(t["currency"] for t in trades),
    }


# ------------------------------------------------------------------------------------------------ vendors


def vendor_bars(bars: Iterable[Row], actions: Sequence[Row], interval: str) -> list[Row]:
    """The newest statement of each bar of one interval, as traded."""
    newest: dict[tuple[Any, ...], Row] = {}
    for bar in bars:
        if bar.get("rejected_because") is None and bar["interval"] == interval:
            key = (bar["source"], bar["symbol"], bar["start_time"])
            if key not in newest or bar["known_at"] > newest[key]["known_at"]:
                newest[key] = bar
    out = []
    for bar in newest.values():
        factor = 1.0
        if bar["price_basis"] == "split_adjusted":
            known_day = bar["known_at"].astimezone(NEW_YORK).date()
            for ex_date, kind, value in stated_actions(actions, bar["symbol"], [bar["source"]]):
                if kind == "split" and bar["trading_day"] < ex_date <= known_day:
                    factor *= value
        prices = {name: six(bar[name] * factor) for name in ("open", "high", "low", "close")}
        volume = bar["volume"]
        shares = None if volume is None else int(Decimal(repr(volume / factor)).quantize(Decimal(1), ROUND_HALF_UP))
        out.append({**bar, **prices, "volume": shares})
    return out


def minute_bars_from_vendors(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    return [
        {**minute, "phase": _phase(minute["start_time"]), "vwap": None, "trade_count": None}
        for minute in vendor_bars(bars, actions, "1m")
    ]


def daily_bars_from_minutes(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    days: dict[tuple[str, str, date], list[Row]] = defaultdict(list)
    for minute in vendor_bars(bars, actions, "1m"):
        if _phase(minute["start_time"]) == "regular":
            days[minute["source"], minute["symbol"], minute["trading_day"]].append(minute)
    out = []
    for (source, symbol, day), minutes in days.items():
        minutes.sort(key=lambda m: m["start_time"])
        traded = [m for m in minutes if m["volume"] is not None]
        volume = sum(m["volume"] for m in traded) if traded else None
        thrice = sum(((m["high"] + m["low"] + m["close"]) * m["volume"] for m in traded), Decimal(0))
        vwap = six(thrice / (3 * volume)) if volume else None
        out.append(
            _daily(day, symbol, f"{source}_minutes")
            | {
                "open": minutes[0]["open"],
                "high": max(m["high"] for m in minutes),
                "low": min(m["low"] for m in minutes),
                "close": minutes[-1]["close"],
                "volume": volume,
                "vwap": vwap,
                "vwap_from": "minutes" if vwap is not None else None,
                "currency": minutes[0]["currency"],
                "no_auction": True,
                "final": all(m["final"] for m in minutes),
                "known_at": max(m["known_at"] for m in minutes),
            }
        )
    return out


def daily_bars_from_vendors(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    names = ("open", "high", "low", "close", "volume", "currency", "final", "known_at")
    return [
        _daily(bar["trading_day"], bar["symbol"], bar["source"])
        | {"vwap": None, "vwap_from": None, "no_auction": False}
        | {name: bar[name] for name in names}
        for bar in vendor_bars(bars, actions, "1d")
    ]


def _daily(day: date, symbol: str, source: str) -> Row:
    return {
        "year": day.year,
        "trading_day": day,
        "symbol": symbol,
        "source": source,
        "trade_count": None,
        "repeats": 0,
        "half_day": session(day).half_day,
        "revision": 0,
    }


def stated_actions(actions: Sequence[Row], symbol: str, vendors: Sequence[str]) -> list[tuple[date, str, float]]:
    """(ex_date, kind, value) of the first of ``vendors`` that states any, else the newest of all, ascending."""
    of_symbol = [a for a in actions if a["symbol"] == symbol and a.get("rejected_because") is None]
    stating = [vendor for vendor in vendors if any(a["source"] == vendor for a in of_symbol)]
    chosen = [a for a in of_symbol if a["source"] == stating[0]] if stating else of_symbol
    newest: dict[tuple[date, str], Row] = {}
    for action in sorted(chosen, key=lambda a: (a["known_at"], a["value"])):
        newest[action["ex_date"], action["kind"]] = action
    return sorted((ex_date, kind, action["value"]) for (ex_date, kind), action in newest.items())


# ------------------------------------------------------------------------------------------------ metrics


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
    volumes = [None if b["volume"] is None else b["volume"] * splits(b["trading_day"]) for b in history]
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
    changes = [after - before for before, after in zip(closes, closes[1:], strict=False)]
    ups, downs = [max(c, 0.0) for c in changes], [max(-c, 0.0) for c in changes]
    up, down = sum(ups[:14]) / 14, sum(downs[:14]) / 14
    for gain, loss in zip(ups[14:], downs[14:], strict=True):
        up, down = (up * 13 + gain) / 14, (down * 13 + loss) / 14
    if up == down == 0:
        return 50.0
    return 100.0 if down == 0 else 100 - 100 / (1 + up / down)
