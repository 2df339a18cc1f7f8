"""The reports of docs/bi.md on much history: no query reads all of it, and what each shows, as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import plotly.graph_objects as go
import psycopg
import pytest
from selenium import webdriver

from stock_assets.local.services import Services
from stock_assets.serving.connect import connection
from stock_assets.serving.load import add_years
from stock_assets.serving.migrate import migrate
from stock_assets.serving.tables import SERVED
from stock_assets.settings.platform import Settings
from stock_assets_tests.browser.chromium import CHROMIUM, DRIVER, PICTURES, chromium, picture, wait_for
from stock_assets_tests.services.serving_database import create_database, fill, reports

REPORTS = reports()
HISTORY = ("daily_prices", "daily_metrics", "hourly_bars", "availability", "symbol_performance")
YEARS = [date(2020, 1, 1) + timedelta(days=366 * n) for n in range(3)]


@pytest.fixture(scope="module")
def database(services: Services, settings: Settings) -> Iterator[psycopg.Connection]:
    """Three years of fictional symbols."""
    services.up(["postgres"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVING_DATABASE_URL", create_database(settings))
        with connection(Settings.load()) as opened:
            migrate(opened)
            for served in SERVED:
                if served.by_year:
                    add_years(opened, served, YEARS)
            fill(opened)
            yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def plan_of(database: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    (found,) = database.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode()).fetchall()
    explained = found[0] if isinstance(found[0], list) else json.loads(found[0])
    return [node for node in nodes(explained[0]["Plan"]) if node.get("Actual Loops")]


def test_there_are_four_reports() -> None:
    assert list(REPORTS) == ["price_trends", "volume_analysis", "data_quality", "pipeline_runs"]


@pytest.mark.parametrize("name", REPORTS)
def test_no_report_reads_all_of_the_history(database: psycopg.Connection, name: str) -> None:
    read = plan_of(database, REPORTS[name])
    scanned = [node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"]
    assert not [each for each in scanned if each.startswith((*HISTORY, "runs"))]


def test_a_query_that_reads_all_of_it_is_noticed(database: psycopg.Connection) -> None:
    read = plan_of(database, "SELECT avg(close) FROM price_trends")
    assert any(node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith("daily_prices") for node in read)


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver on this machine")
def test_a_picture_of_each_report(database: psycopg.Connection) -> None:
    with chromium(900, 600) as browser:
        for name, query in REPORTS.items():
            cursor = database.execute(query.encode())
            rows, names = cursor.fetchall(), [column.name for column in cursor.description or ()]
            assert rows, name
            draw(browser, name, names, rows)


def draw(browser: webdriver.Chrome, name: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """A picture ``bi-NAME.png`` of a report's rows: lines over days, bars, or a table."""
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    figure = go.Figure()
    if name == "price_trends":
        figure.add_traces([go.Scatter(x=columns["trading_day"], y=columns[each], name=each) for each in names[1:]])
    elif name == "data_quality":
        figure.add_traces([go.Bar(x=columns["trading_day"], y=columns[each], name=each) for each in names[1:]])
        figure.update_layout(barmode="stack")
    else:
        text = [[str(value) for value in values] for values in columns.values()]
        figure.add_trace(go.Table(header={"values": names}, cells={"values": text, "height": 28}))
    figure.update_layout(width=860, height=390, margin={"l": 40, "r": 20, "t": 30, "b": 40}, template="plotly_white")
    page = PICTURES / f"bi-{name}.html"
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
    browser.get(page.as_uri())
    wait_for(browser, "document.querySelector('.main-svg .trace, .main-svg .table')", "a figure")
    picture(browser, f"bi-{name}")
