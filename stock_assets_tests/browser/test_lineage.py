"""What a user sees: the lineage as one graph, and an asset's checks, in headless Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stock_assets.local.services import DAGSTER, Services
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import place

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PICTURES = Path(os.environ.get("PICTURES", PROJECT / ".local" / "pictures"))
GROUPS = ("sources", "kafka", "raw", "bars", "metrics", "quality", "reference", "warehouse", "marts")
ASSETS = (
    "history",
    "realtime",
    "batch",
    "ticks",
    "quarantine",
    "minute_bars",
    "daily_bars",
    "daily_metrics",
    "reconciliation",
    "availability",
    "warehouse",
    "fact_stock_daily",
)

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver on this machine")


@pytest.fixture(scope="module")
def dagster_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a web server whose instance holds one materialization and one evaluated check."""
    with pytest.MonkeyPatch.context() as patch:
        settings = place(patch, tmp_path_factory.mktemp("ui"))
        patch.setenv("FIRST_SESSION", "2013-02-19")
        patch.setenv("AUTOMATIC", "false")
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        services = Services(Settings.load(), print)
        try:
            services.up(DAGSTER)
            with dg.DagsterInstance.get() as instance:
                key = dg.AssetKey(["raw", "ticks"])
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="2013-03-01"))
                instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(asset_key=key, check_name="completeness", passed=True, metadata={})
                )
            yield f"http://127.0.0.1:{settings.local.dagster_port}"
        finally:
            services.down()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=2600,2400",
    ):
        options.add_argument(flag)
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield running
    running.quit()


def test_the_lineage_is_one_graph_of_all_stages(browser: webdriver.Chrome, dagster_ui: str) -> None:
    browser.get(dagster_ui)
    browser.execute_script("localStorage.setItem('asset-node-facets', '[]')")  # names alone: the picture for the README
    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS))
    browser.get(f"{dagster_ui}/asset-groups?expanded={expanded}")
    wait_for_texts(browser, ASSETS)
    picture(browser, "lineage")


def test_an_asset_shows_its_checks(browser: webdriver.Chrome, dagster_ui: str) -> None:
    browser.get(f"{dagster_ui}/assets/raw/ticks?view=checks")
    wait_for_texts(browser, ("completeness", "quality"))
    picture(browser, "checks")


def wait_for_texts(browser: webdriver.Chrome, texts: tuple[str, ...]) -> None:
    def all_there(driver: webdriver.Chrome) -> bool:
        shown = driver.find_element(By.TAG_NAME, "body").text
        return all(text in shown for text in texts) and "Loading" not in shown

    WebDriverWait(browser, 60).until(all_there, message=f"the page goes on loading, or does not show all of {texts}")


def picture(browser: webdriver.Chrome, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(PICTURES / f"{name}.png"))
