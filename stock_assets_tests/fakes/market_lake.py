"""a few numbers -> a lake with a whole market in it: metrics, bars, actions, verdicts, for pages to show.

Belongs here: random walks by a seed, stored as the stages would; hostile names among the symbols.
Does not belong here: exact values (``pipeline.oracle``), the platform's own facts (``observed``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import WriterProperties, write_deltalake

from stock_assets.domain.quality_tables import AVAILABILITY, EXPECTATIONS, RECONCILIATION
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.stocks import STOCK_STATEMENTS
from stock_assets.domain.table import WITHHELD, Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS, RAW_TICKS
from stock_assets.lake.session_rows import Row

HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "=cmd()",
    "</script><script>window.hacked=2</script>",
    "![x](http://127.0.0.1:9/picture) :red[**bold**]",
)
SECTORS = ("Technology", "Financial Services", "Healthcare", "Energy", "Consumer Cyclical", "Industrials")
ROW_GROUP = 5000
"""Rows of metrics in what Spark writes as a group of a megabyte."""
KNOWN_AT = datetime(2012, 1, 1, tzinfo=UTC)


def walk(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Closes of ``count`` sessions, in dollars."""
    chance = np.random.default_rng(seed)
    return np.round(40 + chance.random() * 160 * np.exp(np.cumsum(chance.normal(0.0003, 0.017, count))), 2)


def store_market(lake: str, symbols: Sequence[str], days: Sequence[date]) -> None:
    """Metrics of every symbol and session, by symbol as a build of many sessions leaves them; master data of every symbol."""
    by_year: dict[int, list[int]] = {}
    for place, day in enumerate(days):
        by_year.setdefault(day.year, []).append(place)
    columns = [_columns(number, len(days)) for number in range(len(symbols))]
    for year, places in by_year.items():
        first, last = places[0], places[-1] + 1
        parts = {
            name: pa.array(np.concatenate([own[name][first:last] for own in columns]), from_pandas=True)
            for name in columns[0]
        }
        parts["trading_day"] = pa.array(np.tile(np.array(days[first:last], "datetime64[D]"), len(symbols)))
        parts["symbol"] = pa.array(np.repeat(symbols, len(places)))
        _write(lake, DAILY_METRICS, {**parts, "year": pa.array([year] * len(places) * len(symbols))})
    about = [
        {
            "symbol": symbol,
            "name": f"{symbol} Incorporated",
            "exchange": "NMS",
            "primary_market": "XNAS",
            "sector": SECTORS[number % len(SECTORS)],
            "industry": "unknown",
            "currency": "USD",
            "source": "seed",
            "known_at": KNOWN_AT,
        }
        for number, symbol in enumerate(symbols)
    ]
    _rows(lake, STOCK_STATEMENTS, about)


def store_split(lake: str, symbol: str, day: date, value: float) -> None:
    """A split, and a dividend a quarter before it."""
    said = {"symbol": symbol, "currency": "USD", "source": "yahoo", "known_at": KNOWN_AT, "topic_id": "t"}
    rows: list[Row] = []
    for offset, (ex_date, kind, of) in enumerate(((day - timedelta(days=90), "dividend", 0.5), (day, "split", value))):
        rows.append(
            {
                **said, "year": ex_date.year, "trading_day": ex_date, "ex_date": ex_date, "kind": kind, "value": of,
                "kafka_partition": 0, "kafka_offset": offset, "offset_span": 1, "landing_id": "l",
            }
        )  # fmt: skip
    _rows(lake, RAW_ACTIONS, rows)


def store_verdicts(lake: str, symbols: Sequence[str], days: Sequence[date]) -> None:
    """Availability, reconciliation and bars of these sessions, with a little of everything that can be wrong."""
    available, reconciled, bars = [], [], []
    values = ("degraded", "partial", "corrected", "missing", "empty")
    for number, symbol in enumerate(symbols):
        for place, day in enumerate(days):
            odd = (number * 7 + place * 3) % 29
            value = values[odd] if odd < len(values) and number % 3 == 0 else "available"
            key = {"year": day.year, "trading_day": day, "symbol": symbol}
            refused = " rejected=1" if value == "degraded" else ""
            available.append(
                {
                    **key,
                    "availability": value,
                    "because": f"{value} because of {symbol}",
                    "inputs": f"bars=1 statements=3{refused} session=over",
                }
            )
            if value in ("missing", "empty"):
                continue
            verdict = "disagree" if value == "degraded" else "agreed"
            price = float(walk(number, len(days))[place])
            reconciled.append(
                {
                    **key, "first_source": "yahoo", "second_source": "alpha_vantage", "verdict": verdict,
                    "first_close": price, "second_close": price + 1, "close_bps": 55.5, "close_tolerance_bps": 5.0,
                    "volume_percent": 1.5, "volume_tolerance_percent": 5.0,
                }
            )  # fmt: skip
            bars.append(
                {
                    **key, "source": "yahoo", **dict.fromkeys(("open", "high", "low", "close"), price), "volume": 1000.0,
                    "repeats": 0, "currency": "USD", "half_day": False, "no_auction": False, "final": value != "partial",
                    "known_at": KNOWN_AT, "revision": 1,
                    WITHHELD.name: f"high is below low of {symbol}" if value == "degraded" and number == 0 else None,
                }
            )  # fmt: skip
    _rows(lake, AVAILABILITY, available)
    _rows(lake, RECONCILIATION, reconciled)
    _rows(lake, DAILY_BARS, bars)


def store_expectations(lake: str, days: Sequence[date]) -> None:
    """What Great Expectations found: one expectation breaks in the newest session."""
    rows = [
        {
            "trading_day": day, "checked_table": "bars/daily_bars", "expectation": f"expect_{number} {HOSTILE[0]}",
            "rows": 10, "unexpected_rows": 0 if passed else 3, "passed": passed, "checked_at": KNOWN_AT,
        }
        for day in days for number in range(3) for passed in (number < 2 or day != days[-1],)
    ]  # fmt: skip
    _rows(lake, EXPECTATIONS, rows)


def store_rejected(lake: str, reasons: Iterable[str]) -> None:
    """Ticks in quarantine, one for each reason."""
    rows = [
        {
            "topic_id": "t", "kafka_partition": 0, "kafka_offset": offset, "offset_span": 1, "kafka_time": KNOWN_AT,
            "landing_id": "l", "rejected_because": reason, "payload": b"{}",
        }
        for offset, reason in enumerate(reasons)
    ]  # fmt: skip
    _rows(lake, RAW_TICKS, rows)


def sessions_until(last: date, years: int) -> list[date]:
    """The sessions of so many years up to ``last``."""
    return sessions_between(last.replace(year=last.year - years), last)


def _columns(seed: int, count: int) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    close = walk(seed, count)
    chance = np.random.default_rng(seed + 1_000_000)
    previous = np.concatenate([[np.nan], close[:-1]])
    opened = np.where(np.isnan(previous), close, previous) * (1 + chance.normal(0, 0.004, count))
    high, low = (
        np.maximum(opened, close) * (1 + chance.random(count) * 0.01),
        np.minimum(opened, close) * (1 - chance.random(count) * 0.01),
    )
    macd = _ewm(close, 12) - _ewm(close, 26)
    signal = _ewm(macd, 9)
    mean, deviation = _rolling(close, 20)
    found = {
        "open": opened, "high": high, "low": low, "close": close, "volume": np.round(1e6 * (1 + chance.random(count)) * (1 + seed % 7)),
        "previous_close": previous, "change": close - previous, "change_percent": 100 * (close / previous - 1),
        "day_range": high - low, "sma_20": mean, "sma_50": _rolling(close, 50)[0], "sma_200": _rolling(close, 200)[0],
        "bollinger_upper": mean + 2 * deviation, "bollinger_lower": mean - 2 * deviation, "volatility_20": np.full(count, 0.27),
        "rsi_14": 50 + 30 * np.tanh(macd / (close * 0.02)), "macd": macd, "macd_signal": signal, "macd_histogram": macd - signal,
        "high_52_week": _extreme(high, np.max), "low_52_week": _extreme(low, np.min),
    }  # fmt: skip
    return {name: np.round(values, 6) for name, values in found.items()}


def _rolling(values: Any, window: int) -> tuple[Any, Any]:
    mean, deviation = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if len(values) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        mean[window - 1 :], deviation[window - 1 :] = windows.mean(axis=1), windows.std(axis=1)
    return mean, deviation


def _extreme(values: Any, of: Any) -> Any:
    found = np.full(len(values), np.nan)
    if len(values) >= 252:
        found[251:] = of(np.lib.stride_tricks.sliding_window_view(values, 252), axis=1)
    return found


def _ewm(values: Any, span: int) -> Any:
    share, found, last = 2 / (span + 1), np.empty(len(values)), values[0]
    for place, value in enumerate(values):
        last = share * value + (1 - share) * last
        found[place] = last
    return found


def _write(lake: str, table: Table, parts: dict[str, pa.Array]) -> None:
    """Columns as Spark would leave them; what is not given is null, or what every row has."""
    count = len(parts["symbol"])
    same = {
        "source": "yahoo", "mixed_sources": False, "currency": "USD", "bars_used": 1, "bars_revision": 1, "actions_used": 0,
        "revision": 1,
    }  # fmt: skip
    columns = []
    for field in table.stored.arrow_schema():
        if field.name in parts:
            columns.append(parts[field.name].cast(field.type))
        else:
            columns.append(pa.array([same.get(field.name)] * count, field.type))
    arrow = pa.Table.from_arrays(columns, schema=table.stored.arrow_schema())
    write_deltalake(
        f"{lake}/{table.path}",
        arrow.sort_by([(name, "ascending") for name in table.key]),
        mode="append",
        partition_by=list(table.partition_by),
        writer_properties=WriterProperties(max_row_group_size=ROW_GROUP),
    )


def _rows(lake: str, table: Table, rows: Sequence[Row]) -> None:
    schema = table.stored.arrow_schema()
    floats = pa.schema(
        [pa.field(f.name, pa.float64() if pa.types.is_decimal(f.type) else f.type, f.nullable) for f in schema]
    )
    arrow = pa.Table.from_pylist(list(rows), schema=floats).cast(schema)
    write_deltalake(f"{lake}/{table.path}", arrow, mode="append", partition_by=list(table.partition_by))
