"""500 symbols x 10 years -> seconds until the dashboard shows them, beside a plain page of Plotly's; and its memory.

Belongs here: measuring what a visitor sees in headless Chromium, and what many visitors cost. Run it alone on the machine:
``.venv/bin/python benchmarks/dashboard.py [CLOSED_TABS]``.
Does not belong here: limits as tests (timings are no tests).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from own_services import machine
from rich.console import Console
from rich.table import Table
from selenium import webdriver

from stock_assets_tests.browser.chromium import DEADLINE_S, chromium, dashboard, wait_for
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.fakes.market_lake import sessions_until, store_market, store_verdicts

SYMBOLS = [f"SYM{number:03d}" for number in range(500)]
DAYS = sessions_until(date(2024, 3, 1), 10)
VISITS, CHANGES, VIEWERS = 5, 8, 10
TABS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SHADOWS = "[...document.querySelectorAll('*')].filter(e => e.shadowRoot).map(e => e.shadowRoot)"
CARDS = f"{SHADOWS}.some(s => s.querySelector('.card'))"
PEER = """
import pyarrow.dataset as ds, plotly.graph_objects as go, streamlit as st
from deltalake import DeltaTable
symbol = st.query_params.get("symbol", "SYM000")
rows = DeltaTable({path!r}).to_pyarrow_dataset().to_table(filter=ds.field("symbol") == symbol).to_pandas().sort_values("trading_day")
figure = go.Figure(go.Candlestick(x=rows.trading_day, open=rows.open, high=rows.high, low=rows.low, close=rows.close))
for name in ("sma_50", "sma_200", "bollinger_upper", "bollinger_lower"):
    figure.add_scatter(x=rows.trading_day, y=rows[name].astype(float), name=name)
st.plotly_chart(figure)
st.html(f'<i id="of">{{symbol}}</i>')
"""


def drawn(symbol: str) -> str:
    """True when the candles of a symbol are on the screen."""
    return f"{SHADOWS}.some(s => s.querySelector('.chart')?.getAttribute('data-drawn') === '{symbol}')"


def drawn_by_peer(symbol: str) -> str:
    """True when Plotly has drawn a symbol."""
    return f"document.querySelector('#of')?.textContent === '{symbol}' && document.querySelector('.plotly .boxlayer, .plotly .cartesianlayer path')"


def seconds(browser: webdriver.Chrome, go: Callable[[], object], shown: str) -> float:
    """From an action until something is on the screen."""
    began = time.perf_counter()
    go()
    while not browser.execute_script(f"return Boolean({shown})"):
        time.sleep(0.02)
        assert time.perf_counter() < began + DEADLINE_S, f"not shown: {shown}"
    took = time.perf_counter() - began
    print(f"{took:6.2f} s  {shown[-60:]}", file=sys.stderr, flush=True)
    return took


def memory(address: str) -> float:
    """MB that the server at an address holds."""
    port = address.rsplit(":", 1)[1]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"DASHBOARD_PORT={port}" in (entry / "environ").read_text(errors="replace"):
                return int((entry / "statm").read_text().split()[1]) * 4096 / 1e6
        except OSError:
            continue
    return 0.0


@contextmanager
def peer(folder: Path, lake: str) -> Iterator[str]:
    """A page as one would write it in an hour."""
    (port,) = free_ports(1)
    script = folder / "peer.py"
    script.write_text(PEER.format(path=f"{lake}/metrics/daily_metrics"))
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    command += ["--browser.gatherUsageStats", "false", "--server.address", "127.0.0.1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(8)  # it has nothing that says more than that it listens
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    """Fill a lake, measure both, print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = str(folder / "lake")
        store_market(lake, SYMBOLS, DAYS)
        store_verdicts(lake, SYMBOLS, DAYS[-30:])
        rows = measure(folder, lake)
    table = Table(title=f"Dashboard, {len(SYMBOLS)} symbols x {len(DAYS)} sessions; {machine()}")
    for head in ("what", "ours", "plain Plotly", "limit"):
        table.add_column(head, justify="left" if head == "what" else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(table)


def measure(folder: Path, lake: str) -> list[tuple[str, str, str, str]]:
    """Rows of the table."""
    with chromium() as browser, dashboard(folder, lake) as address:
        first = seconds(browser, lambda: browser.get(f"{address}/symbol?symbol=SYM000"), drawn("SYM000"))
        market_first = seconds(browser, lambda: browser.get(address), CARDS)
        market = statistics.median(seconds(browser, lambda: browser.get(address), CARDS) for _ in range(VISITS))
        page = statistics.median(
            seconds(browser, lambda: browser.get(f"{address}/symbol?symbol=SYM000"), drawn("SYM000"))
            for _ in range(VISITS)
        )
        changes = statistics.median(_changes(browser))
        before = memory(address)
        _visit(address, VIEWERS, at_once=True)
        viewers = memory(address)
        _visit(address, TABS, at_once=False)
        time.sleep(30)  # closed tabs are given up after 15 s
        after = memory(address)
    with chromium() as browser, peer(folder, lake) as address:
        peer_first = seconds(browser, lambda: browser.get(f"{address}/?symbol=SYM000"), drawn_by_peer("SYM000"))
        peer_changes = statistics.median(
            seconds(browser, lambda s=s: browser.get(f"{address}/?symbol={s}"), drawn_by_peer(s)) for s in SYMBOLS[1:6]
        )
    return [
        ("symbol page, first visit of a fresh server", f"{first:.2f} s", f"{peer_first:.2f} s", "2 s"),
        ("symbol page, later visits", f"{page:.2f} s", "", "2 s"),
        ("market page, first visit", f"{market_first:.2f} s", "", "2 s"),
        ("market page, later visits", f"{market:.2f} s", "", "2 s"),
        ("another symbol", f"{changes:.2f} s", f"{peer_changes:.2f} s", "1 s"),
        ("memory", f"{before:,.0f} MB", "", ""),
        (f"memory with {VIEWERS} viewers", f"{viewers:,.0f} MB", "", ""),
        (f"memory after {TABS} closed tabs", f"{after:,.0f} MB", "", "flat"),
    ]


def _changes(browser: webdriver.Chrome) -> Iterator[float]:
    """Seconds from choosing another symbol by keyboard until its candles are drawn."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    for symbol in SYMBOLS[37 : 37 + CHANGES]:
        box = browser.find_element(By.CSS_SELECTOR, "[data-testid=stSelectbox] input")
        box.click()
        box.send_keys(symbol)
        yield seconds(browser, lambda box=box: box.send_keys(Keys.ENTER), drawn(symbol))


def _visit(address: str, count: int, at_once: bool) -> None:
    """Open so many tabs on symbols of their own; all are closed at the end, or each before the next."""
    with chromium() as browser:
        home = browser.current_window_handle
        for number in range(count):
            browser.switch_to.new_window("tab")
            symbol = SYMBOLS[number * 3 % len(SYMBOLS)]
            browser.get(f"{address}/symbol?symbol={symbol}")
            wait_for(browser, drawn(symbol), symbol)
            if not at_once:
                browser.close()
                browser.switch_to.window(home)


if __name__ == "__main__":
    main()
