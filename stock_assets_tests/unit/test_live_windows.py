"""Windows over minute bars, beside an oracle in plain Python."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stock_assets.domain.live_tables import INTRADAY_WINDOWS, LATENESS, MINUTES
from stock_assets.live.windows import HOUR_US, windows_of

DAY = date(2024, 11, 27)
OPEN = datetime(2024, 11, 27, 14, 30, tzinfo=UTC)
Row = dict[str, Any]
MINUTE = timedelta(minutes=1)


def bar(minute: int, close: Decimal, volume: Decimal | None = Decimal(100), **other: Any) -> Row:
    row = {
        "trading_day": DAY, "symbol": "IBM", "source": "simulator_ticks", "phase": "regular",
        "start_time": OPEN + minute * MINUTE, "open": close - 1, "high": close + 2, "low": close - 2, "close": close,
        "volume": volume, "vwap": close + Decimal("0.5"), "trade_count": 3, "currency": "USD", "kafka_partition": 0,
    }  # fmt: skip
    return row | other


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=MINUTES.arrow_schema())


def oracle(rows: list[Row], newest: dict[tuple[str, int], datetime]) -> list[Row]:
    """Every window of a session, bar by bar."""
    groups: dict[tuple[str, str, str], dict[datetime, Row]] = {}
    for row in rows:
        groups.setdefault((row["symbol"], row["source"], row["phase"]), {})[row["start_time"]] = row
    found = []
    for bars in groups.values():
        at, last = min(bars), max(bars)
        while at <= last:
            for length in (1, 15, 60):
                begin = at - (length - 1) * MINUTE
                inside = [bars[when] for when in sorted(bars) if begin <= when <= at]
                if inside:
                    found.append(window(inside, begin, at + MINUTE, length, bars[last], newest))
            at += MINUTE
    return found


def window(inside: list[Row], begin: datetime, end: datetime, length: int, last: Row, newest: Any) -> Row:
    first, closed = inside[0], inside[-1]
    carried, at, closes = None, inside[0]["start_time"], []
    while at < end:
        carried = next((row["close"] for row in inside if row["start_time"] == at), carried)
        closes.append(float(carried))
        at += MINUTE
    known = {row["start_time"]: float(row["close"]) for row in inside}
    returns = [math.log(known[when] / known[when - MINUTE]) for when in known if when - MINUTE in known]
    enough = len(returns) >= {1: 99, 15: 5, 60: 20}[length] and 2 * len(inside) >= length
    sized = [row for row in inside if row["volume"] is not None]
    shares = sum((row["volume"] for row in sized), Decimal(0))
    return {
        **{name: last[name] for name in ("trading_day", "symbol", "source", "phase", "currency")},
        "kafka_partition": closed["kafka_partition"], "window_minutes": length, "start_time": begin, "end_time": end,
        "end_hour": (end - MINUTE).hour, "open": first["open"], "close": closed["close"],
        "high": max(row["high"] for row in inside), "low": min(row["low"] for row in inside),
        "average_price": statistics.fmean(float(r["high"] + r["low"] + r["close"]) / 3 for r in inside),
        "vwap": float(sum(row["vwap"] * row["volume"] for row in sized) / shares) if shares else None,
        "moving_average": statistics.fmean(closes),
        "volatility": statistics.stdev(returns) if enough else None,
        "momentum_percent": float((closed["close"] - first["open"]) / first["open"] * 100),
        "volume": shares if sized else None, "trade_count": 3 * len(inside), "minutes_covered": len(inside),
        "final": end <= newest.get((last["source"], closed["kafka_partition"]), OPEN) - LATENESS,
    }  # fmt: skip


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: tuple(row[name] for name in INTRADAY_WINDOWS.key))


PRICES = st.decimals(Decimal(5), Decimal(5_000), places=6)
SHARES = st.none() | st.decimals(Decimal(0), Decimal(10) ** 6, places=6) | st.just(Decimal(10) ** 12)
BARS = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["pre", "regular"]), st.integers(0, 200)),
    st.tuples(PRICES, SHARES), max_size=60,
)  # fmt: skip


@given(BARS, st.integers(0, 200))
def test_windows_are_the_oracle_s(
    bars: dict[tuple[str, str, int], tuple[Decimal, Decimal | None]], reached: int
) -> None:
    rows = [bar(n, price, shares, symbol=symbol, phase=phase) for (symbol, phase, n), (price, shares) in bars.items()]
    newest = {("simulator_ticks", 0): OPEN + reached * MINUTE}
    found, wanted = in_order(windows_of(table(rows), newest).to_pylist()), in_order(oracle(rows, newest))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            if isinstance(value, float):
                assert math.isclose(ours[name], value, rel_tol=1e-9, abs_tol=1e-9), (name, ours, theirs)
            else:
                assert ours[name] == value, (name, ours, theirs)


@given(BARS, st.sets(st.integers(0, 4)))
def test_some_hours_are_those_of_the_whole(bars: dict[tuple[str, str, int], Any], chosen: set[int]) -> None:
    rows = [bar(n, price, shares, symbol=symbol, phase=phase) for (symbol, phase, n), (price, shares) in bars.items()]
    begin = round(OPEN.timestamp() * 1e6) // HOUR_US
    whole = windows_of(table(rows), {}).to_pylist()
    part = windows_of(table(rows), {}, {begin + hour for hour in chosen}).to_pylist()
    assert in_order(part) == in_order([row for row in whole if row["end_hour"] - OPEN.hour in chosen])


def test_no_window_reaches_beyond_the_last_trade_nor_holds_minutes_of_two_phases() -> None:
    rows = [bar(0, Decimal(10)), bar(1, Decimal(11), phase="post")]
    found = windows_of(table(rows), {}).to_pylist()
    assert {(row["phase"], row["end_time"], row["minutes_covered"]) for row in found} == {
        ("regular", OPEN + MINUTE, 1), ("post", OPEN + 2 * MINUTE, 1),
    }  # fmt: skip


def test_volumes_beyond_64_bits_stay_exact() -> None:
    huge = Decimal("9999999999999999999.999999")
    rows = [bar(n, Decimal(10), huge if n else Decimal("0.000001")) for n in range(3)]
    volumes = {row["volume"] for row in windows_of(table(rows), {}).to_pylist() if row["window_minutes"] == 15}
    assert Decimal("9999999999999999999.999999") + Decimal("0.000001") in volumes
