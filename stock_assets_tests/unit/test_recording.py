"""Recorded files as messages: the labels, flags and rows of vendors' files."""

import csv
import io
import zipfile
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from stock_assets.domain.errors import BadRecord, PermanentError
from stock_assets.domain.messages import Action, Bar, decode, encode, instant
from stock_assets.domain.sessions import session
from stock_assets.sources.recording import read_bars, read_recording, read_ticks

DATA = Path(__file__).parents[3] / "shared" / "data"
recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings at {DATA}")
DAY = date(2019, 2, 15)
HEADER = "datetime,open,high,low,close,volume\n"
REFERENCE = ["AAPL", "AMZN", "BAC", "JPM", "MSFT", "QQQ", "SBUX", "SPY", "TSLA", "V"]
IBM_TICKS = "lean/usa/tick/ibm/{}_trade.zip"


def bar_file(folder: Path, name: str, *rows: str) -> Path:
    file = folder / "eqker" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return file


def tick_file(folder: Path, *rows: str) -> Path:
    file = folder / "lean/usa/tick/ibm/20131007_trade.zip"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("20131007_ibm_Trade_Tick.csv", "".join(f"{row}\n" for row in rows))
    return file


def raw_rows(file: Path) -> list[list[str]]:
    with zipfile.ZipFile(file) as archive:
        return list(csv.reader(io.TextIOWrapper(archive.open(archive.namelist()[0]))))


def test_a_minute_is_labelled_by_its_end_in_the_file_and_by_its_start_here(tmp_path: Path) -> None:
    file = bar_file(tmp_path, "A_1min.csv", "2019-02-15 16:00:00,2,3,1,2.5,10", "2019-02-15 09:31:00,2,3,1,2.5,10")
    last, first = read_bars(file, "A", "1m")
    assert first.start_time == instant(session(DAY).open_time)
    assert last.start_time == instant(datetime(2019, 2, 15, 20, 59, tzinfo=UTC))
    assert (first.interval, first.trading_day, last.trading_day) == ("1m", DAY, DAY)


def test_a_day_starts_at_its_opening_and_is_known_after_its_close(tmp_path: Path) -> None:
    (bar,) = read_bars(bar_file(tmp_path, "A_daily.csv", "2019-02-15,2,3,1,2.5,10"), "A", "1d")
    assert bar.start_time == instant(session(DAY).open_time) and bar.final and bar.price_basis == "as_traded"
    assert bar.known_at > instant(session(DAY).close_time)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (2.0, 3.0, 1.0, 2.5, 10)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2019-02-16,2,3,1,2.5,10", "not a trading session"),
        ("2019-02-15,2,3,1,many,10", "many"),
        ("2019-02-15,2,1,3,2.5,10", "do not enclose"),
        ("2019-02-15,2,3,1", "line 3"),
        ("yesterday,2,3,1,2.5,10", "yesterday"),
    ],
)
def test_a_row_that_is_no_bar_is_named_by_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    file = bar_file(tmp_path, "A_daily.csv", "2019-02-14,2,3,1,2.5,10", row)
    with pytest.raises(BadRecord, match=reason) as raised:
        list(read_bars(file, "A", "1d"))
    assert "A_daily.csv line 3" in str(raised.value)


def test_a_tick_is_a_line_of_its_file(tmp_path: Path) -> None:
    file = tick_file(tmp_path, "34200021,1815200,283,P,20002040,0", "34200021,1815200,283,P,0,1")
    first, second = read_ticks(file)
    assert first.event_time == instant(datetime(2013, 10, 7, 13, 30, 0, 21_000, tzinfo=UTC))
    assert (first.symbol, first.price, first.size, first.exchange, first.source) == (
        "IBM",
        181.52,
        283,
        "P",
        "algoseek",
    )
    assert first.conditions == ["40", "2000", "20000000"]
    assert second.conditions == ["suspicious"]


def test_fractions_of_shares_are_shares(tmp_path: Path) -> None:
    """On the tape since 2026-02-23; a recording is read on behind such a line."""
    sizes = ["0.35", "100.0", "7"]
    rows = [f"34200000,1815200,{size},P,0,0" for size in sizes]
    assert [tick.size for tick in read_ticks(tick_file(tmp_path, *rows))] == [0.35, 100, 7]
    (bar,) = read_bars(bar_file(tmp_path, "A_daily.csv", "2019-02-15,2,3,1,2.5,10.25"), "A", "1d")
    assert bar.volume == 10.25
    with pytest.raises(BadRecord, match="line 1: 'nan' is no number of shares"):
        list(read_ticks(tick_file(tmp_path / "nan", "34200000,1815200,nan,P,0,0")))


def test_identical_consecutive_trades_are_all_kept(tmp_path: Path) -> None:
    ticks = list(read_ticks(tick_file(tmp_path, *["34200021,1815200,100,P,1,0"] * 5)))
    assert len({tick.event_id for tick in ticks}) == 5
    assert [tick.sequence for tick in ticks] == [1, 2, 3, 4, 5]
    assert len({(tick.event_time, tick.price, tick.size) for tick in ticks}) == 1


@pytest.mark.parametrize("row", ["34200021,1815200,283,P,0", "x,1815200,283,P,0,0", "1,2,3,P,xyz,0"])
def test_a_row_that_is_no_tick_is_named_by_file_and_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(BadRecord, match=r"20131007_trade.zip line 2"):
        list(read_ticks(tick_file(tmp_path, "34200021,1815200,283,P,0,0", row)))


def test_a_folder_is_read_daily_bars_first_and_an_empty_one_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="holds no recording"):
        list(read_recording(tmp_path))
    tick_file(tmp_path, "34200021,1815200,283,P,0,0")
    bar_file(tmp_path, "B_1min.csv", "2019-02-15 16:00:00,2,3,1,2.5,10")
    bar_file(tmp_path, "A_daily.csv", "2019-02-15,2,3,1,2.5,10")
    found = list(read_recording(tmp_path))
    assert [m.symbol for m in found] == ["A", "B", "IBM"]
    assert [m.interval for m in found if isinstance(m, Bar)] == ["1d", "1m"]


@recorded
def test_the_recordings_are_read_row_for_row() -> None:
    found = Counter[str]()
    for message in read_recording(DATA):
        assert not isinstance(message, Action)
        assert decode(type(message), encode(message)) == message
        found[f"{message.symbol} {message.interval if isinstance(message, Bar) else 'tick'}"] += 1
    expected = {"IBM tick": sum(len(raw_rows(DATA / IBM_TICKS.format(day))) for day in ("20131007", "20131008"))}
    for interval, kind in (("1d", "daily"), ("1m", "1min")):
        for file in (DATA / "eqker").glob(f"*_{kind}.csv"):
            expected[f"{file.stem.split('_')[0]} {interval}"] = len(file.read_text().splitlines()) - 1
    assert found == expected
    assert found["IBM tick"] == 24_293 + 33_381
    assert {name for name in found if name.endswith("1d")} == {f"{s} 1d" for s in REFERENCE}
    assert {found[f"{symbol} 1d"] for symbol in REFERENCE} == {283}


@recorded
def test_the_first_rows_of_the_recordings() -> None:
    newest = next(read_bars(DATA / "eqker/AAPL_daily.csv", "AAPL", "1d"))
    assert (newest.trading_day, newest.open, newest.high, newest.low, newest.close, newest.volume) == (
        DAY, 171.25, 171.7, 169.75, 170.42, 24_626_814,
    )  # fmt: skip
    minutes = list(read_bars(DATA / "eqker/AAPL_1min.csv", "AAPL", "1m"))
    assert minutes[0].close == 170.38 and minutes[0].start_time == instant(datetime(2019, 2, 15, 20, 59, tzinfo=UTC))
    starts = [bar.start_time for bar in minutes if bar.trading_day == DAY]
    assert min(starts) == instant(session(DAY).open_time) and len(starts) <= 390
    ticks = list(read_ticks(DATA / IBM_TICKS.format("20131007")))
    assert (ticks[0].price, ticks[0].size, ticks[0].exchange) == (181.52, 283, "P")
    assert ticks[0].conditions == ["20", "2000", "20000000"]


@recorded
def test_each_real_trade_is_kept_once_with_all_its_flags() -> None:
    file = DATA / IBM_TICKS.format("20131007")
    ticks, rows = list(read_ticks(file)), raw_rows(file)
    assert len({tick.event_id for tick in ticks}) == len(ticks) == len(rows)
    assert sum(tick.size or 0 for tick in ticks) == sum(int(row[2]) for row in rows)
    same = sum(before == row for before, row in pairwise(rows))
    assert same > 900  # dropping them would lose real trades
    for tick, row in zip(ticks, rows, strict=True):
        flags = [int(code, 16) for code in tick.conditions or [] if code != "suspicious"]
        assert sum(flags) == int(row[4], 16) and all(flag.bit_count() == 1 for flag in flags)
        assert ("suspicious" in (tick.conditions or [])) == (row[5] == "1")
