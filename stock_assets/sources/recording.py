"""recorded files -> ticks and bars.

Belongs here: reading a folder of recordings: Alpha Vantage's CSVs (``eqker/``: ``SYMBOL_daily.csv``, ``SYMBOL_1min.csv``)
and AlgoSeek's trade ticks in LEAN's layout (``lean/usa/tick/symbol/YYYYMMDD_trade.zip``).
Does not belong here: publishing.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from stock_assets.domain.eligibility import SUSPICIOUS
from stock_assets.domain.errors import BadRecord, NoSession, PermanentError
from stock_assets.domain.messages import Bar, Message, Tick, instant
from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, EXCHANGE_ZONE, session
from stock_assets.domain.shares import read_shares

_LEAN_PRICE_UNIT = 10_000


def read_recording(folder: Path) -> Iterator[Message]:
    """All messages of a folder of recordings, file by file.

    Raises:
        PermanentError: the folder holds no recording.
        BadRecord: a row cannot be read; the text names file, row and field.
    """
    daily = sorted(folder.glob("eqker/*_daily.csv"))
    minutes = sorted(folder.glob("eqker/*_1min.csv"))
    ticks = sorted(folder.glob("lean/usa/tick/*/*_trade.zip"))
    if not (daily or minutes or ticks):
        raise PermanentError(f"{folder} holds no recording: neither eqker/*.csv nor lean/usa/tick/*/*_trade.zip")
    for file in daily:
        yield from read_bars(file, file.stem.removesuffix("_daily"), "1d")
    for file in minutes:
        yield from read_bars(file, file.stem.removesuffix("_1min"), "1m")
    for file in ticks:
        yield from read_ticks(file)


def read_bars(file: Path, symbol: str, interval: str) -> Iterator[Bar]:
    """Bars of one of Alpha Vantage's CSVs, newest first as in the file; minute labels are the END of the bar."""
    with file.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                label = datetime.fromisoformat(row["datetime"]).replace(tzinfo=EXCHANGE_ZONE)
                day = label.date()
                held = session(day)
                start = held.open_time if interval == "1d" else label - timedelta(minutes=1)
                # The file does not say when it was fetched: a bar is known once its session is over.
                known_at = held.close_time + CLOSING_PRINT_GRACE
                yield Bar(
                    symbol=symbol,
                    interval="1d" if interval == "1d" else "1m",
                    trading_day=day,
                    start_time=instant(start),
                    open=float(row["open"]),
                    high=float(row["high"]),
                    low=float(row["low"]),
                    close=float(row["close"]),
                    volume=read_shares(row["volume"]),
                    currency="USD",
                    price_basis="as_traded",
                    final=True,
                    source="alpha_vantage",
                    known_at=instant(known_at),
                )
            except (KeyError, ValueError, TypeError, NoSession) as broken:
                raise BadRecord(f"{file.name} line {number}: {broken}") from broken


def read_ticks(file: Path) -> Iterator[Tick]:
    """Trades of one symbol and day: ms since New York midnight, price x 10,000, size, exchange, flags, suspicious."""
    day = datetime.strptime(file.name[:8], "%Y%m%d").date()
    symbol = file.parent.name.upper()
    midnight = datetime.combine(day, datetime.min.time(), EXCHANGE_ZONE)
    with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as rows:
        for number, row in enumerate(rows, start=1):
            try:
                milliseconds, price, size, exchange, flags, suspicious = row.decode().strip().split(",")
                yield Tick(
                    symbol=symbol,
                    event_time=instant(midnight) + int(milliseconds) * 1000,
                    price=int(price) / _LEAN_PRICE_UNIT,
                    currency="USD",
                    source="algoseek",
                    event_id=f"{symbol}/{file.stem}#{number}",
                    size=read_shares(size),
                    exchange=exchange,
                    conditions=_codes(flags) + ([SUSPICIOUS] if suspicious != "0" else []),
                    sequence=number,
                )
            except ValueError as broken:
                raise BadRecord(f"{file.name} line {number}: {broken}") from broken


def _codes(flags: str) -> list[str]:
    """One hexadecimal code per set bit."""
    word = int(flags, 16)
    return [f"{1 << bit:x}" for bit in range(word.bit_length()) if word >> bit & 1]
