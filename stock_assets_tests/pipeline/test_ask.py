"""``stock-assets sql``, ``export`` and ``chart``, on lakes whose rows are known."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.tables import DAILY_BARS, RAW_BARS
from stock_assets.lake.engine import connect
from stock_assets.reading.csv_text import write_csv
from stock_assets.reading.sql import answer_of
from stock_assets_tests.pipeline.daily_rows import daily
from stock_assets_tests.pipeline.raw_rows import bar, land
from stock_assets_tests.pipeline.readable_lake import store, store_metrics
from stock_assets_tests.services.test_adjusted_prices import NVDA_CLOSES, NVDA_DAYS

SPLIT = date(2024, 6, 10)
NVDA = {("NVDA", day): Decimal(close) for day, close in zip(NVDA_DAYS, NVDA_CLOSES, strict=True)}


@pytest.fixture
def filled(lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A lake with a split, a withheld row of the metrics, and daily bars; the commands find it."""
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("STOCK_ASSETS_LOCAL", str(tmp_path / "local"))
    store_metrics(lake, NVDA, [("NVDA", SPLIT, "split", 10.0)])
    store_metrics(lake, {("BAD", NVDA_DAYS[0]): Decimal(1)}, withheld=[NVDA_DAYS[0]])
    store(lake, DAILY_BARS, [daily(day, "yahoo", float(close), symbol="NVDA") for (_, day), close in NVDA.items()])
    return lake


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def told(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_sql_finds_the_lake_s_tables_under_their_names_without_withheld_rows(filled: str) -> None:
    query = "select symbol, max(trading_day) as last, count(*) as rows from {} group by 1"
    for name in ("daily_metrics", "METRICS"):
        assert told(run("sql", query.format(name), "--csv")) == [
            {"symbol": "NVDA", "last": "2024-06-14", "rows": str(len(NVDA))}
        ]
    joined = "select count(*) n from daily_bars b join daily_metrics m using (symbol, trading_day)"
    assert told(run("sql", joined, "--csv")) == [{"n": str(len(NVDA))}]
    shown = run("sql", "select * from daily_metrics")
    assert max(map(len, shown.splitlines())) <= 80 and "NVDA" in shown
    assert "first 40 rows" in run("sql", "select range from range(99)")
    assert "lake_" not in run("sql", "show tables")
    assert "daily_metrics" in run("sql", "show tables") and "daily_metrics" not in run("sql", "select 1 as one")
    assert "trading_day" in run("sql", "describe daily_bars")


def test_what_is_not_there_is_a_sentence(filled: str) -> None:
    with pytest.raises(PermanentError, match="There is no table 'nothing'.* The tables are ticks, "):
        run("sql", "select * from nothing")
    outside = run("export", "metrics", "--symbol", "NVDA", "--from", "2031-01-01", "--csv")
    assert "year,symbol,trading_day," in outside and "No row is in that range." in outside


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{folder}/written.csv'",
        "explain analyze copy (select 1) to '{folder}/written.csv'",
        "export database '{folder}/written'",
        "attach '{folder}/written.db'",
        "create table t as select 1",
        "drop view daily_metrics",
        "insert into daily_metrics select * from daily_metrics",
        "set enable_external_access = true",
        "install httpfs",
        "select 1; select 2",
        "",
        "select * from read_text('{folder}/secret')",
        "select * from read_csv('{folder}/secret')",
        "select * from '{folder}/secret.csv'",
        "select * from '{folder}/secret.parquet'",
        "select * from glob('{folder}/*')",
        "select * from 'https://127.0.0.1:9/x.parquet'",
    ],
)
def test_sql_neither_writes_nor_reads_files(filled: str, tmp_path: Path, query: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("secret", "secret.csv"):
        (folder / name).write_text("secret\n1\n")
    parquet.write_table(pa.table({"secret": [1]}), folder / "secret.parquet")
    before = sorted(folder.iterdir())
    with pytest.raises(PermanentError), answer_of(query.format(folder=folder), filled, None) as answer:
        answer.fetchall()
    assert sorted(folder.iterdir()) == before


def test_files_next_to_what_does_not_fit_into_memory_are_as_closed(tmp_path: Path) -> None:
    """DuckDB lets queries into its folder for temporary files, whatever it is told of access."""
    with connect() as connection:
        (folder,) = connection.execute("SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'").fetchone()
    assert folder == ""


def test_wrong_sql_is_a_sentence_and_names_what_may_be_meant(filled: str) -> None:
    for query, sentence in (
        ("selec 1", "syntax error"),
        ("select clos from daily_metrics", "close"),
        ("select * from nowhere", "There is no table .nowhere."),
        ("select * from ticks", "ticks does not exist yet"),
        ("select 'ticks' as ticks, cast('x' as int)", "Could not convert"),
    ):
        with pytest.raises(PermanentError, match=sentence), answer_of(query, filled, None) as answer:
            answer.fetchall()


def test_the_prompt_answers_each_statement_and_outlives_a_wrong_one(filled: str) -> None:
    done = CliRunner().invoke(app, ["sql"], input="select nope;\nselect\n  count(*) as n from daily_bars;\n")
    assert done.exit_code == 0 and "nope" in done.output and str(len(NVDA)) in done.output


def test_an_export_has_the_split_or_not(filled: str, tmp_path: Path) -> None:
    asked = ("export", "metrics", "--symbol", "NVDA", "--from", "2024-06-03", "--to", "2024-06-14")

    def largest(text: str) -> float:
        closes = [float(row["close"]) for row in told(text)]
        return max(abs(b / a - 1) for a, b in pairwise(closes))

    assert largest(run(*asked, "--adjusted", "splits", "--csv")) < 0.1
    assert largest(run(*asked, "--adjusted", "none")) > 0.85
    run(*asked, "--parquet", str(tmp_path / "rows.parquet"))
    assert parquet.read_table(tmp_path / "rows.parquet")["close"].to_pylist() == [*NVDA.values()]
    run("export", "daily_bars", "--every", "1w", "--output", str(tmp_path / "weeks.csv"))
    assert [row["sessions"] for row in told((tmp_path / "weeks.csv").read_text())] == ["5", "5"]
    with pytest.raises(PermanentError, match="Name one table"):
        run("export")


def test_files_for_bi_tools_are_utf_8_with_a_mark_and_iso_days(filled: str, tmp_path: Path) -> None:
    row = {"year": 2024, "trading_day": SPLIT, "symbol": "NVDA", "availability": "available", "inputs": "é"}
    store(filled, AVAILABILITY, [{**row, "because": "=1+1"}])
    run("export", "--bi", str(tmp_path / "bi"))
    files = {file.name: file.read_bytes() for file in (tmp_path / "bi").iterdir()}
    assert sorted(files) == ["availability.csv", "daily_bars_adjusted.csv", "daily_metrics.csv", "stocks.csv"]
    assert all(text.startswith(b"\xef\xbb\xbf") for text in files.values())
    rows = {name: told(text.decode("utf-8-sig")) for name, text in files.items()}
    assert rows["availability.csv"] == [
        {"year": "2024", "trading_day": "2024-06-10", "symbol": "NVDA", "availability": "available", "because": "'=1+1", "inputs": "é"}
    ]  # fmt: skip
    assert rows["daily_bars_adjusted.csv"][0]["close"] == "115.000000"


def test_texts_are_no_formulas_and_numbers_stay_numbers() -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'a,"b"', "", None]
    rows = pa.table(
        {
            "=head": pa.array(texts),
            "number": pa.array([Decimal("-1.50")] * 9),
            "float": pa.array([-0.5] * 9),
            "at": pa.array([datetime(2024, 1, 2, 3, tzinfo=UTC)] * 9, pa.timestamp("us", tz="UTC")),
            "yes": pa.array([True] * 9),
            "list": pa.array([["@"]] * 9),
        }
    )
    written = io.StringIO(newline="")
    assert write_csv(rows.to_batches(), rows.column_names, written) == 9
    first, *others = csv.reader(io.StringIO(written.getvalue(), newline=""))
    assert first[0] == "'=head"
    assert [row[0] for row in others] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", 'a,"b"', "", ""]
    assert others[0][1:5] == ["-1.50", "-0.5", "2024-01-02T03:00:00Z", "true"]


def test_a_chart_fits_and_says_what_it_shows(filled: str) -> None:
    text = run("chart", "NVDA", "--average", "3")
    assert max(map(len, text.splitlines())) <= 160
    assert "NVDA, daily, 2024-06-03 to 2024-06-14: 10 bars of yahoo, adjusted for splits; • average of 3 bars" in text
    assert "█" in text and "1,2" not in text  # no price from before the split
    assert "1w, 2024-06-03 to 2024-06-10: 2 bars" in run("chart", "NVDA", "--every", "1w", "--adjusted", "none")
    with pytest.raises(PermanentError, match="Did you mean NVDA"):
        run("chart", "nvda")
    with pytest.raises(PermanentError, match="no bar of NVDA in that range"):
        run("chart", "NVDA", "--from", "2024-07-01")


def test_sql_reads_accepted_raw_rows_alone(filled: str) -> None:
    (day,) = sessions_between(date(2024, 1, 2), date(2024, 1, 2))
    land(filled, RAW_BARS, [bar(day, 1.0), bar(day, 2.0, rejected_because="x", payload=b"{}")])
    assert told(run("sql", "select count(*) n, (select count(*) from quarantine) q from bars", "--csv")) == [
        {"n": "1", "q": "1"}
    ]
