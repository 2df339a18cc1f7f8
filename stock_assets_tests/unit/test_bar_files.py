"""Files of bars as vendors and people write them -> the bars they hold, or what cannot be taken and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stock_assets.domain.errors import BadRecord, PermanentError
from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, session
from stock_assets.sources.bar_files import Reading, bar_files

DAY = date(2024, 6, 3)
HEADERS = {
    "Alpha Vantage": ("timestamp,open,high,low,close,volume", "2024-06-03,10,12,9,11,1000"),
    "Alpha Vantage, adjusted": (
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
        "2024-06-03,10,12,9,11,10.9,1000,0.0,1.0",
    ),
    "Yahoo": ("Date,Open,High,Low,Close,Adj Close,Volume", "2024-06-03,10,12,9,11,10.9,1000"),
    "Stooq": ("Date,Open,High,Low,Close,Volume", "2024-06-03,10,12,9,11,1000"),
    "Stooq, in bulk": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        "NFLX.US,D,20240603,000000,10,12,9,11,1000,0",
    ),
    "capital letters and spaces": (" DATE ,OPEN,HIGH,LOW,CLOSE, VOLUME", "2024-06-03,10,12,9,11,1000"),
}


def written(folder: Path, text: str, name: str = "NFLX.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def taken(file: Path, reading: Reading | None = None) -> tuple[list[Bar], list[str]]:
    (found,) = bar_files(file, reading or Reading())
    bars = list(found.bars())
    return bars, found.refused


def minutes(opening_at: str, zone: str = "") -> str:
    """A session's minute bars with the heavy opening minute at this label."""
    lines = ["timestamp,open,high,low,close,volume"]
    label = datetime(2024, 6, 3, 9, 30)
    for _ in range(60):
        volume = 900_000 if f"{label:%H:%M}" == opening_at else 10_000
        lines.append(f"{label:%Y-%m-%d %H:%M:%S}{zone},10,12,9,11,{volume}")
        label += timedelta(minutes=1)
    return "\n".join(lines)


@pytest.mark.parametrize("spelled", HEADERS)
def test_a_day_in_each_vendor_s_spelling(tmp_path: Path, spelled: str) -> None:
    bars, refused = taken(written(tmp_path, "\n".join(HEADERS[spelled])))
    assert refused == []
    (bar,) = bars
    assert (bar.symbol, bar.interval, bar.trading_day) == ("NFLX", "1d", DAY)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10, 12, 9, 11, 1000)
    assert bar.start_time == instant(session(DAY).open_time)
    adjusted = "adjusted" in spelled or spelled == "Yahoo"
    assert bar.price_basis == ("split_adjusted" if adjusted else "as_traded")
    assert bar.adj_close == (10.9 if adjusted else None)


def test_a_parquet_file_of_pandas_dates(tmp_path: Path) -> None:
    midnight = datetime(2024, 6, 3, tzinfo=EXCHANGE_ZONE)
    for at in (midnight, midnight.replace(tzinfo=UTC), midnight.replace(tzinfo=None), midnight.date()):
        rows = pa.table({"Date": [at], "Open": [10.0], "High": [12.0], "Low": [9.0], "Close": [11.0], "Volume": [1000]})
        pq.write_table(rows, tmp_path / "BRK-B.parquet")
        ((bar,), refused) = taken(tmp_path / "BRK-B.parquet")
        assert (bar.symbol, bar.trading_day, bar.volume, refused) == ("BRK-B", DAY, 1000, [])


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("brk.b.csv", "BRK.B"),
        ("BRK-B_daily.csv", "BRK-B"),
        ("^GSPC.csv", "^GSPC"),
        ("EURUSD=X.csv", "EURUSD=X"),
        ("nflx.us.txt", "NFLX"),
    ],
)
def test_symbols_of_file_names(tmp_path: Path, name: str, symbol: str) -> None:
    ((bar,), _) = taken(written(tmp_path, "\n".join(HEADERS["Yahoo"]), name))
    assert bar.symbol == symbol


def test_columns_and_days_that_the_caller_names(tmp_path: Path) -> None:
    file = written(tmp_path, "Datum,Erster,Hoch,Tief,Schluss,Stück\n03.06.2024,10,12,9,11,1000\n")
    columns = {"day": "Datum", "open": "Erster", "high": "Hoch", "low": "Tief", "close": "Schluss", "volume": "Stück"}
    ((bar,), refused) = taken(file, Reading(columns=columns, day_format="%d.%m.%Y", symbol="abc"))
    assert (bar.symbol, bar.trading_day, bar.close, bar.volume, refused) == ("ABC", DAY, 11, 1000, [])


def test_an_unknown_header_names_what_is_there_and_what_is_wanted(tmp_path: Path) -> None:
    file = written(tmp_path, "Datum,Open,High,Low,Schluss\n")
    with pytest.raises(
        BadRecord, match=r"has the columns Datum, Open, High, Low, Schluss, of which none is the day or the close"
    ):
        taken(file)
    with pytest.raises(BadRecord, match="has no column 'Zeit'"):
        taken(file, Reading(columns={"day": "Zeit"}))
    with pytest.raises(BadRecord, match="name one of day, time, symbol"):
        taken(file, Reading(columns={"when": "Datum"}))
    with pytest.raises(BadRecord, match="has the columns none"):
        taken(written(tmp_path, "", "EMPTY.csv"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-06-03,ten,12,9,11,1000", "line 3: open 'ten' is no number"),
        ("2024-06-03,10,12,9,,1000", "line 3: close '' is no number"),
        ("2024-06-03,10,12,9,11,many", "line 3: volume 'many' is no number of shares"),
        ("03/06/2024,10,12,9,11,1000", "line 3: timestamp '03/06/2024' is not YYYY-MM-DD: give --day-format"),
        ("2024-06-02,10,12,9,11,1000", "line 3: 2024-06-02"),
        ("2024-06-03,10,9,12,11,1000", "do not enclose"),
        ("2024-06-03", "line 3: "),
        ("2024-06-03,10,12,-9,11,1000", "Expected `float` >= "),
    ],
)
def test_a_bad_row_is_named_and_holds_back_no_other(tmp_path: Path, row: str, reason: str) -> None:
    header, good = HEADERS["Alpha Vantage"]
    bars, refused = taken(written(tmp_path, "\n".join([header, good, row, good.replace("06-03", "06-04")])))
    assert [bar.trading_day.day for bar in bars] == [3, 4]
    assert len(refused) == 1 and reason in refused[0] and refused[0].startswith("NFLX.csv line 3")


@pytest.mark.parametrize(("heavy", "first"), [("09:30", "09:30"), ("09:31", "09:29")])
def test_the_opening_volume_tells_which_end_of_the_minute_labels_mean(tmp_path: Path, heavy: str, first: str) -> None:
    bars, refused = taken(written(tmp_path, minutes(heavy)))
    assert len(bars) == 60 and refused == [] and {bar.interval for bar in bars} == {"1m"}
    assert f"{datetime.fromtimestamp(bars[0].start_time / 1e6, EXCHANGE_ZONE):%H:%M}" == first


def test_instants_with_a_zone_are_taken_at_their_word(tmp_path: Path) -> None:
    text = minutes("09:30").replace("2024-06-03 09:", "2024-06-03 13:").replace("2024-06-03 10:", "2024-06-03 14:")
    text = "\n".join(
        line.replace(",", "+00:00,", 1) if number else line for number, line in enumerate(text.splitlines())
    )
    bars, _ = taken(written(tmp_path, text), Reading(labels="start"))
    assert bars[0].start_time == instant(session(DAY).open_time)


def test_minutes_whose_labels_prove_nothing_are_refused_until_the_caller_says(tmp_path: Path) -> None:
    file = written(tmp_path, minutes("none"))
    with pytest.raises(PermanentError, match="give --labels"):
        taken(file)
    bars, _ = taken(file, Reading(labels="end"))
    assert len(bars) == 60


def test_bars_of_five_minutes_are_refused(tmp_path: Path) -> None:
    lines = minutes("09:30").splitlines()
    with pytest.raises(PermanentError, match="has bars of 5 minutes"):
        taken(written(tmp_path, "\n".join([lines[0], *lines[1::5]])))


def test_split_adjusted_prices_are_known_when_they_were_fetched(tmp_path: Path) -> None:
    file = written(tmp_path, "\n".join(HEADERS["Yahoo"]))
    fetched = datetime(2024, 6, 20, tzinfo=UTC)
    ((bar,), _) = taken(file, Reading(fetched_at=fetched))
    assert bar.known_at == instant(fetched) and bar.final
    ((traded,), _) = taken(file, Reading(basis="as_traded"))
    assert traded.known_at < bar.known_at and traded.price_basis == "as_traded"
    ((early,), _) = taken(file, Reading(fetched_at=session(DAY).close_time))
    assert not early.final


def test_a_folder_without_files_of_bars(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="holds no file of bars"):
        bar_files(tmp_path, Reading())


@given(st.text(max_size=200), st.binary(max_size=80))
@example("", b"a" * 200_000)
def test_any_text_ends_in_bars_or_a_sentence(text: str, raw: bytes) -> None:
    header, cells = HEADERS["Yahoo"][0].encode(), text.encode("utf-8", "surrogatepass")
    with TemporaryDirectory() as folder:
        for name in ("A.csv", "A.parquet"):
            for content in (cells, header + b"\n" + cells, header + b"\n" + raw):
                (Path(folder) / name).write_bytes(content)
                try:
                    taken(Path(folder) / name)
                except PermanentError as refused:
                    assert name in str(refused)
