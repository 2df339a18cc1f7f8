"""A site of Data Docs: every suite, what it says of the newest session alone, links without scripts, and no foreign markup."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.commands.data_docs import ASKS
from stock_assets.defs.checks import QUALITY_TABLES
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import DAILY_BARS
from stock_assets.quality import data_docs
from stock_assets.quality.data_docs import DOCUMENTED, write_site
from stock_assets_tests.fakes.market_lake import HOSTILE
from stock_assets_tests.pipeline.daily_rows import WEEK, Row, daily, store_daily


def site(lake: str, rows: list[Row], folder: Path) -> dict[str, str]:
    """The pages of the site of a lake with these daily bars, by their place."""
    store_daily(lake, rows)
    told = {each.table: each for each in write_site(lake, folder)}
    newest = [row for row in rows if row["trading_day"] == max(row["trading_day"] for row in rows)]
    assert (told[DAILY_BARS].session, told[DAILY_BARS].rows) == (newest[0]["trading_day"], len(newest))
    return {str(page.relative_to(folder)): page.read_text() for page in folder.rglob("*.html")}


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_tables_are_those_that_have_a_check() -> None:
    assert set(DOCUMENTED) == set(QUALITY_TABLES.values())


def test_each_suite_has_a_page_and_the_newest_session_a_result(lake: str, tmp_path: Path) -> None:
    # of two years, which are two files
    older = [daily(day, "yahoo", low=Decimal(999)) for day in (date(2012, 10, 8), WEEK[0])]
    rows = [*older, daily(WEEK[1], "yahoo"), daily(WEEK[1], "other")]
    pages = site(lake, rows, tmp_path / "site")
    suites = {name for name in pages if name.startswith("expectations/")}
    assert suites == {f"expectations/{table.path}.html" for table in DOCUMENTED}
    (result,) = (page for name, page in pages.items() if name.startswith("validations/"))
    assert f"session {WEEK[1]}" in result and "Status: Succeeded" in text(result)
    links = {unquote(link) for link in re.findall(r'<a href="([^"#:]+)">(?:suite|result)<', pages["index.html"])}
    assert links == pages.keys() - {"index.html"}


def test_a_second_site_takes_the_place_of_the_first(lake: str, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    site(lake, [daily(WEEK[0], "yahoo")], folder)
    pages = site(lake, [daily(WEEK[1], "yahoo", low=Decimal(999))], folder)
    (result,) = (page for name, page in pages.items() if name.startswith("validations/"))
    assert f"session {WEEK[1]}" in result and "Status: Failed" in text(result)
    assert [each.name for each in tmp_path.iterdir() if "site" in each.name] == ["site"]


def test_what_a_symbol_is_called_is_no_markup(lake: str, tmp_path: Path) -> None:
    # twice the same bar: the page names the values of its key
    rows = [daily(WEEK[0], "yahoo", symbol=symbol) for symbol in HOSTILE for _ in range(2)]
    pages = site(lake, [*rows, daily(WEEK[0], HOSTILE[0], low=Decimal(999))], tmp_path / "site")
    assert any("&lt;img src=x onerror" in page for page in pages.values())
    for page in pages.values():
        assert "<img src=x" not in page and "<script>window.hacked" not in page


def test_an_empty_lake_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOCK_ASSETS_HOME", "STOCK_ASSETS_LOCAL"):
        monkeypatch.setenv(name, str(tmp_path))
    done = CliRunner().invoke(app, ["data-docs"])
    assert done.exit_code == 0 and "The lake has no rows yet" in done.stdout and ASKS in done.stdout
    assert (tmp_path / "data_docs" / "index.html").is_file()


def test_other_files_are_not_deleted(lake: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "index.html").write_text("mine")
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(PermanentError, match="holds other files"):
        write_site(lake, folder)
    assert (folder / "thesis.txt").read_text() == "mine"


def test_a_page_that_could_not_be_drawn_is_an_error(lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site(lake, [daily(WEEK[0], "yahoo")], tmp_path / "site")
    monkeypatch.setattr(data_docs, "_PAGES", ("expectations", "nowhere"))
    with pytest.raises(PermanentError, match="drew 6 of 7 pages"):
        write_site(lake, tmp_path / "site2")
    assert not (tmp_path / "site2").exists()
