"""Every page of the dashboard in headless Chromium: its numbers are those of ``read``, and hostile names stay text."""

from __future__ import annotations

import csv
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import stock_assets
from stock_assets.dashboard.symbol_numbers import volume_profile
from stock_assets.settings.platform import Settings
from stock_assets_tests.browser.chromium import (
    CHROMIUM,
    DEADLINE_S,
    DRIVER,
    chromium,
    complaints,
    dashboard,
    picture,
    text_of,
    wait_for,
    wait_for_text,
)
from stock_assets_tests.fakes.market_lake import (
    HOSTILE,
    sessions_until,
    store_expectations,
    store_market,
    store_rejected,
    store_split,
    store_verdicts,
)
from stock_assets_tests.fakes.observed import keep_observation

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver on this machine")

SYMBOLS = ("AAPL", "IBM", "JPM", "MSFT", "NVDA", "XOM", *HOSTILE)
DAYS = sessions_until(date(2024, 3, 1), 2)
PAGES = ("", "symbol", "quality", "pipeline", "health")
SHADOWS = "[...document.querySelectorAll('*')].filter(e => e.shadowRoot).map(e => e.shadowRoot)"
CHART = f"{SHADOWS}.map(s => s.querySelector('.chart')).find(Boolean)"
LEGEND = f"{SHADOWS}.map(s => s.querySelector('.legend')).find(Boolean)"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a lake with everything in it."""
    local = tmp_path_factory.mktemp("dashboard")
    lake = str(local / "lake")
    store_market(lake, SYMBOLS, DAYS)
    store_verdicts(lake, SYMBOLS, DAYS[-30:])
    store_expectations(lake, DAYS[-20:])
    store_split(lake, "AAPL", DAYS[-100], 4.0)
    store_rejected(lake, [f"unknown symbol: {HOSTILE[0]}", f"{HOSTILE[0]}: x", "price: =1+1"])
    keep_observation(local / "observed" / "facts.db", DAYS[-1])
    return Settings({"STOCK_ASSETS_LOCAL": str(local), "LAKE_ROOT": lake})


@pytest.fixture(scope="module")
def address(place: Settings) -> Iterator[str]:
    with dashboard(place.local_dir, place.lake_root) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as running:
        yield running


def read(place: Settings, *given: Any, **named: Any) -> Any:
    return stock_assets.read(*given, **named, settings=place)


def open_page(browser: webdriver.Chrome, address: str, page: str) -> None:
    browser.get(f"{address}/{page}")
    wait_for_text(browser, "refreshing", "newest session")


def show_symbol(browser: webdriver.Chrome, address: str, symbol: str, **chosen: str) -> None:
    asked = "&".join(f"{name}={quote(value)}" for name, value in {"symbol": symbol, **chosen}.items())
    open_page(browser, address, f"symbol?{asked}")
    wait_for(browser, f"{CHART}?.getAttribute('data-drawn') === {symbol!r}", f"candles of {symbol}")


def press(browser: webdriver.Chrome, label: str) -> None:
    """Press a button, found and pressed at once: the page may draw itself again at any moment."""
    button = f"[...document.querySelectorAll('button')].find(b => b.innerText.includes({label!r}))"
    wait_for(browser, button, f"a button {label}")
    browser.execute_script(f"{button}.click()")


def test_the_market_s_cards_are_the_newest_metrics(browser: webdriver.Chrome, address: str, place: Settings) -> None:
    open_page(browser, address, "")
    cards = f"{SHADOWS}.flatMap(s => [...s.querySelectorAll('.card')])"
    wait_for(browser, f"{cards}.length === {len(SYMBOLS)}", "a card for each symbol")
    shown = browser.execute_script(
        f"return {cards}.map(c => ['.symbol', '.close', '.change'].map(n => c.querySelector(n).textContent))"
    )
    rows = read(place, "daily_metrics", None, DAYS[-1], DAYS[-1])
    wanted = [
        [
            row.symbol,
            f"{row.close:,.2f}",
            f"{'▲ +' if row.change_percent >= 0 else '▼ −'}{abs(row.change_percent):.2f} %",
        ]
        for row in rows.itertuples()
    ]
    assert sorted(shown) == sorted(wanted)
    wait_for_text(browser, "Rose", "Movers", f"of {len(SYMBOLS)} symbols")
    rose = browser.execute_script("return document.querySelector('.sa-tile b').textContent")
    assert rose == str(int((rows["change_percent"] > 0).sum()))
    tiles = browser.execute_script("return [...document.querySelectorAll('.sa-map a')].map(a => [a.title, a.href])")
    assert any(title.startswith("IBM IBM Incorporated ") and title.endswith(" %") for title, _ in tiles)
    assert {unquote(href.partition("symbol=")[2]) for _, href in tiles} == set(SYMBOLS)
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name).join(' ')")
    assert "BidiComponent" in loaded and "Plotly" not in loaded
    picture(browser, "market")


def test_a_card_leads_to_its_symbol(browser: webdriver.Chrome, address: str) -> None:
    open_page(browser, address, "")
    card = f"{SHADOWS}.flatMap(s => [...s.querySelectorAll('.card')]).find(c => c.textContent.startsWith('NVDA'))"
    wait_for(browser, card, "the card of NVDA")
    browser.execute_script(f"{card}.focus(); {card}.click()")
    wait_for(browser, f"{CHART}?.getAttribute('data-drawn') === 'NVDA'", "candles of NVDA")
    assert "symbol=NVDA" in browser.current_url


@pytest.mark.parametrize("adjusted", ["none", "splits"])
def test_the_candles_are_those_of_read(browser: webdriver.Chrome, address: str, place: Settings, adjusted: str) -> None:
    show_symbol(browser, address, "AAPL", adjusted=adjusted, range="Max")
    rows = read(place, "daily_metrics", "AAPL", adjusted=adjusted)
    last = rows.iloc[-1]
    close = f"{last['close']:,.2f}"
    wait_for(browser, f"document.querySelector('.sa-close')?.innerText === {close!r}", f"a close of {close}")
    assert str(len(rows)) in browser.execute_script(f"return {CHART}.getAttribute('aria-label')")
    for _ in range(3):
        browser.execute_script(f"{CHART}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'PageUp'}}))")
    at = rows.iloc[-1 - 3 * 21]
    legend = browser.execute_script(f"return {LEGEND}.textContent")
    assert legend.startswith(f"AAPL {at['trading_day']:%Y-%m-%d}O {at['open']:,.2f}H {at['high']:,.2f}")
    assert f"C {at['close']:,.2f}" in legend and f"MA50 {at['sma_50']:,.2f}" in legend
    shares = browser.execute_script("return [...document.querySelectorAll('.sa-profile div')].map(d => d.title)")
    levels = volume_profile(rows)
    assert shares == [f"{of.low:,.2f} to {of.high:,.2f}: {of.volume:,.0f} shares" for of in reversed(levels)]
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name).join(' ')")
    assert "lightweight-charts" in loaded and "Plotly" not in loaded
    picture(browser, f"symbol-{adjusted}")


def test_the_address_keeps_what_was_chosen(browser: webdriver.Chrome, address: str) -> None:
    show_symbol(browser, address, "IBM", adjusted="all", range="3M")
    assert {"symbol=IBM", "range=3M", "adjusted=all"} <= set(browser.current_url.partition("?")[2].split("&"))
    press(browser, "as traded")
    wait_for(browser, "location.search.includes('adjusted=none')", "the choice in the address")
    shared = browser.current_url
    with chromium() as another:
        another.get(shared)
        wait_for(another, f"{CHART}?.getAttribute('data-drawn') === 'IBM'", "candles of IBM")
        assert another.current_url == shared
        assert "as traded" in another.execute_script(f"return {CHART}.getAttribute('aria-label')")


def test_a_symbol_that_is_not_there_is_a_sentence(browser: webdriver.Chrome, address: str) -> None:
    open_page(browser, address, f"symbol?symbol={quote('<b>NOPE</b>')}&range=9Y")
    wait_for_text(browser, "There is no symbol <b>NOPE</b>", "There is no range 9Y")


def test_the_csv_is_the_rows_of_read_and_holds_no_formula(
    tmp_path: Path, browser: webdriver.Chrome, address: str, place: Settings
) -> None:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show_symbol(browser, address, "=cmd()", adjusted="none", range="Max")
    press(browser, "CSV")
    WebDriverWait(browser, DEADLINE_S).until(lambda _: list(tmp_path.glob("*.csv")), message="no file came")
    (file,) = tmp_path.glob("*.csv")
    assert file.name == "_cmd___Max_none.csv"
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    wanted = read(place, "daily_metrics", "=cmd()")
    assert [float(row["close"]) for row in rows] == wanted["close"].tolist()
    assert {row["symbol"] for row in rows} == {"'=cmd()"}


def test_quality_shows_verdicts_scores_and_reasons(browser: webdriver.Chrome, address: str, place: Settings) -> None:
    open_page(browser, address, "quality")
    wait_for_text(browser, "Quality score", "Reconciliation", "unknown symbol", "disagree".capitalize(), "✕")
    judged = read(place, "reconciliation")
    assert f"yahoo, alpha_vantage {int((judged['verdict'] == 'agreed').sum())}" in text_of(browser).replace("\n", " ")
    assert "high is below low of AAPL" in text_of(browser)
    assert f"expect_2 {HOSTILE[0]} 3" in text_of(browser).replace("\n", " ")
    picture(browser, "quality")


def test_pipeline_and_health_show_what_was_collected(browser: webdriver.Chrome, address: str) -> None:
    open_page(browser, address, "pipeline")
    wait_for_text(browser, "120,003", "40,001", "39,991", "failure", "bars/daily_bars 12.5 s", "facts of")
    picture(browser, "pipeline")
    open_page(browser, address, "health")
    wait_for_text(browser, "7 of 8", "20.0 GB", "stock-assets up spark", "broke (failed 2 times in a row)")
    picture(browser, "health")


@pytest.mark.parametrize(
    ("page", "symbol"),
    [*((page, "") for page in PAGES if page != "symbol"), *(("symbol", symbol) for symbol in HOSTILE)],
)
def test_hostile_names_are_text_on_every_page(browser: webdriver.Chrome, address: str, page: str, symbol: str) -> None:
    if page == "symbol":
        show_symbol(browser, address, symbol)
    else:
        open_page(browser, address, page)
        wait_for(browser, "!document.querySelector('[data-stale=true]')", "a page that is done")
    assert browser.execute_script("return window.hacked ?? null") is None
    images = browser.execute_script("return [...document.images].map(i => i.getAttribute('src'))")
    assert not [each for each in images if each == "x" or "picture" in each]
    assert complaints(browser, address) == []


def test_a_pause_is_shown_and_holds(browser: webdriver.Chrome, address: str) -> None:
    open_page(browser, address, "")
    toggle = "document.querySelector('[data-testid=stCheckbox] input, [data-testid=stToggle] input')"
    wait_for(browser, toggle, "the switch that pauses")
    browser.execute_script(f"{toggle}.focus()")
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    wait_for_text(browser, "paused")
    assert "refreshing" not in text_of(browser)


def test_a_page_draws_itself_again_when_its_data_changes(browser: webdriver.Chrome, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    store_market(lake, ["A"], DAYS[-40:])
    with dashboard(tmp_path, lake) as address:
        open_page(browser, address, "")
        wait_for_text(browser, "of 1 symbols")
        store_market(lake, ["B"], DAYS[-40:])
        wait_for_text(browser, "of 2 symbols")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard without a lake, and without a collector."""
    local = tmp_path_factory.mktemp("empty")
    with dashboard(local, str(local / "lake")) as running:
        yield running


@pytest.mark.parametrize("page", PAGES)
def test_without_a_lake_every_page_is_sentences(browser: webdriver.Chrome, empty: str, page: str) -> None:
    browser.get(f"{empty}/{page}")
    wait_for_text(browser, "refreshing", "no data yet", "Nothing was judged yet" if page == "quality" else " yet: ")
    assert "Traceback" not in text_of(browser) and "nobody foresaw" not in text_of(browser)
    assert complaints(browser, empty) == []


@pytest.mark.parametrize("page", PAGES)
def test_at_390_pixels_and_on_dark_nothing_is_cut_off(browser: webdriver.Chrome, address: str, page: str) -> None:
    phone = {"width": 390, "height": 1400, "deviceScaleFactor": 1, "mobile": True}
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        open_page(browser, address, page)
        wait_for(browser, "!document.querySelector('[data-stale=true]')", "a page that is done")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        main = "document.querySelector('[data-testid=stMain]')"
        assert browser.execute_script(f"return {main}.scrollWidth <= {main}.clientWidth")
        ground = browser.execute_script("return getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        assert ground == "rgb(16, 21, 28)"
        picture(browser, f"phone-{page or 'market'}")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_another_host_s_name_gets_nothing(address: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        direct.open(asked, timeout=30)
    assert refused.value.code == 400
