"""rows of the raw tables -> the bars they should become, in plain Python.

Belongs here: the rules of meaning once more, by another route than ``spark/``: loops over one session's trades.
Does not belong here: anything imported from ``spark/``, and metrics (``oracle_metrics``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from stock_assets.domain.eligibility import CONDITIONS, Condition
from stock_assets.domain.sessions import session

Row = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
SNAPSHOTS = {"yahoo", "yahoo_stream", "yahoo_quotes"}


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
        trades = [t for t in trades if t["currency"] == figures["currency"]]
        within = [t for t in within if t["currency"] == figures["currency"]]
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
    for currency in sorted({t["currency"] for t in trades}):
        if figures := _figures_of_one_currency([t for t in trades if t["currency"] == currency], source):
            return figures | {"currency": currency}
    return {}


def _figures_of_one_currency(trades: Sequence[Row], source: str) -> Row:
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
    }


# ------------------------------------------------------------------------------------------------ vendors


def vendor_bars(bars: Iterable[Row], actions: Sequence[Row], interval: str) -> list[Row]:
    """The newest statement of each bar of one interval, as traded; of those that can be right, if there are any."""
    stated: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for bar in bars:
        if bar.get("rejected_because") is None and bar["interval"] == interval:
            stated[bar["source"], bar["symbol"], bar["start_time"]].append(bar)
    traded = _as_traded([bar for statements in stated.values() for bar in statements], actions)
    best: dict[tuple[Any, ...], Row] = {}
    for bar in sorted(traded, key=lambda bar: (is_whole(bar), bar["known_at"])):
        best[bar["source"], bar["symbol"], bar["start_time"]] = bar
    return list(best.values())


def is_whole(bar: Row) -> bool:
    """Whether high and low enclose the other prices."""
    return bool(bar["low"] <= min(bar["open"], bar["close"]) and max(bar["open"], bar["close"]) <= bar["high"])


def _as_traded(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    out = []
    for bar in bars:
        factor = 1.0
        if bar["price_basis"] == "split_adjusted":
            known_day = bar["known_at"].astimezone(NEW_YORK).date()
            for ex_date, kind, value in stated_actions(actions, bar["symbol"], [bar["source"]]):
                if kind == "split" and bar["trading_day"] < ex_date <= known_day:
                    factor *= value
        prices = {name: six(bar[name] * factor) for name in ("open", "high", "low", "close")}
        out.append({**bar, **prices, "volume": _unadjusted(bar["volume"], factor)})
    return out


def _unadjusted(volume: float | Decimal | None, factor: float) -> int | Decimal | None:
    """Whole shares stay whole: who states them rounded when adjusting."""
    if volume is None:
        return None
    stated = Decimal(repr(volume) if isinstance(volume, float) else volume)
    shares = stated if factor == 1 else Decimal(repr(float(stated) / factor))
    return int(shares.quantize(Decimal(1), ROUND_HALF_UP)) if stated == stated.to_integral_value() else six(shares)


def minute_bars_from_vendors(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    return [
        {**minute, "phase": _phase(minute["start_time"]), "vwap": None, "trade_count": None}
        for minute in vendor_bars(bars, actions, "1m")
    ]


def daily_bars_from_minutes(bars: Iterable[Row], actions: Sequence[Row]) -> list[Row]:
    days: dict[tuple[str, str, date], list[Row]] = defaultdict(list)
    for minute in vendor_bars(bars, actions, "1m"):
        if _phase(minute["start_time"]) == "regular" and is_whole(minute):
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
