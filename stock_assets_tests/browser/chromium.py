"""a headless Chromium, and a dashboard for it -> what somebody would see.

Belongs here: starting both, waiting for a page that has been drawn, what the browser complained of.
Does not belong here: what a page should show (the tests).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PICTURES = Path(os.environ.get("PICTURES", PROJECT / ".local" / "pictures"))
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DEADLINE_S = 120
PROBED = "/_stcore/"
"""By asking for this below every part of an address, Streamlit finds out where it is served from: some answers are 404."""


@contextmanager
def chromium(width: int = 1440, height: int = 1300) -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile, which remembers what pages log."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield running
    finally:
        running.quit()


@contextmanager
def dashboard(local: Path, lake: str) -> Iterator[str]:
    """Address of a dashboard over a lake; its process is ended at the end."""
    (port,) = free_ports(1)
    own = {
        "STOCK_ASSETS_HOME": str(local), "STOCK_ASSETS_LOCAL": str(local), "LAKE_ROOT": lake, "DASHBOARD_PORT": str(port),
        "STORE": "", "UNIVERSE": "",
    }  # fmt: skip
    with (local / "dashboard.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "stock_assets.dashboard.server"],
            env=os.environ | own, cwd=PROJECT, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            _answers(address, server)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _answers(address: str, server: subprocess.Popen[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            direct.open(f"{address}/_stcore/health", timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, "the dashboard ended while it was starting"
            assert time.monotonic() < end, "the dashboard does not answer"
            time.sleep(0.1)


def wait_for(browser: webdriver.Chrome, script: str, what: str) -> None:
    """Return when a script's expression is true.

    Raises:
        TimeoutException: it does not become true; with the page's text.
    """

    def holds(driver: webdriver.Chrome) -> bool:
        return bool(driver.execute_script(f"return Boolean({script})"))

    try:
        WebDriverWait(browser, DEADLINE_S).until(holds, message=f"the page does not show {what}")
    except Exception:
        print(text_of(browser))
        raise


def wait_for_text(browser: webdriver.Chrome, *texts: str) -> None:
    """Return when the page shows all these texts."""
    for text in texts:
        wait_for(browser, f"document.body.innerText.includes({text!r})", text)


def text_of(browser: webdriver.Chrome) -> str:
    """All text of the page, but what is in shadows."""
    return browser.find_element(By.TAG_NAME, "body").text


def complaints(browser: webdriver.Chrome, address: str) -> list[str]:
    """What pages of a server logged as errors since it was asked last, but the probing that belongs to Streamlit."""
    logged = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [
        entry["message"]
        for entry in logged
        if entry["level"] == "SEVERE"
        and address in entry["message"]
        and not (PROBED in entry["message"] and "404" in entry["message"])
    ]


def picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep what is seen, for somebody to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(PICTURES / f"{name}.png"))
