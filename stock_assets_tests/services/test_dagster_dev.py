"""`dagster dev -w workspace.yaml` after set-up alone: it starts what it needs, and materializes everything of a session."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stock_assets.domain.sessions import sessions_between
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.fakes.fake_yahoo import FakeYahoo
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing
from stock_assets_tests.patience import wait_for

DAYS = sessions_between(date(2021, 7, 1), date(2021, 7, 9))
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
TOOLS = Path(sys.executable).parent


@contextmanager
def dagster_dev(settings: Settings, folder: Path, log: Path) -> Iterator[None]:
    """A developer's `dagster dev` in ``folder``; ended at the end with all that it started."""
    command = [TOOLS / "dagster", "dev", "-w", "workspace.yaml", "-p", str(settings.local.dagster_port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_for(lambda: "dagster_version" in answer(settings, "/server_info"), 180)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def answer(settings: Settings, path: str, body: dict[str, Any] | None = None) -> str:
    """What the web server says; empty while it does not."""
    data = json.dumps(body).encode() if body is not None else None
    url = f"http://127.0.0.1:{settings.local.dagster_port}{path}"
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


def graphql(settings: Settings, query: str, **variables: Any) -> Any:
    found = json.loads(answer(settings, "/graphql", {"query": query, "variables": variables}) or "{}")
    assert "errors" not in found, found
    return found.get("data")


def materialize_all(settings: Settings, day: date) -> str:
    """What the button "Materialize all" sends for one session; the run's id."""
    nodes = graphql(settings, "{ assetNodes { assetKey { path } isMaterializable isPartitioned } }")["assetNodes"]
    wanted = [
        {"path": node["assetKey"]["path"]} for node in nodes if node["isMaterializable"] and node["isPartitioned"]
    ]
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "stock_assets",
        "jobName": "__ASSET_JOB",
        "assetSelection": wanted,
    }
    launched = graphql(
        settings,
        "mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename "
        "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
        p={
            "selector": selector,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(day)}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def status_of(settings: Settings, run_id: str) -> str:
    found = graphql(settings, "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }", r=run_id)
    return str(found["runOrError"]["status"]) if found else ""


def nothing_in_flight(settings: Settings) -> bool:
    query = "{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]}) { ... on Runs { results { id } } } }"
    return not graphql(settings, query)["runsOrError"]["results"]


def rows_in_warehouse(settings: Settings) -> int:
    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM DAILY_STOCK_METRICS")
        row = cursor.fetchone()
    assert isinstance(row, tuple)
    return int(row[0])


@pytest.fixture
def checkout(own_settings: Settings, yahoo: FakeYahoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as set-up leaves it: workspace.yaml, ``.env``, Dagster's home, and nothing that runs."""
    yahoo.listings["CUA"] = Listing([DailyBar(day, 100.0, 101.0, 99.0, 100.5, 1000) for day in DAYS])
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(PROJECT / "workspace.yaml", folder)
    monkeypatch.delenv("DAGSTER_HOME")  # it comes from .env, as a developer's does
    (folder / ".env").write_text(
        f"SYMBOLS=CUA\nFIRST_SESSION={DAYS[0]}\nYAHOO_PROXY={yahoo.proxy}\nYAHOO_CA_BUNDLE={yahoo.ca_bundle}\n"
    )
    subprocess.run([TOOLS / "stock-assets", "setup"], cwd=folder, check=True)
    return folder


@pytest.fixture
def settings(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("STOCK_ASSETS_HOME", str(checkout))
    found = Settings.load()
    services = Services(found)
    assert {state.state for state in services.status()} == {"stopped"}
    yield found
    services.down()


@pytest.mark.timeout(1200)
def test_everything_of_a_session_from_set_up_alone(settings: Settings, checkout: Path, tmp_path: Path) -> None:
    dev, log = Settings.load(DAGSTER_PORT=str(free_ports(1)[0])), tmp_path / "dev.log"
    with dagster_dev(dev, checkout, log):
        run_id = materialize_all(dev, DAYS[-1])
        ended = wait_for(lambda: (status := status_of(dev, run_id)) in ENDED and status, 400)
        assert ended == "SUCCESS", log.read_text()[-3000:]
        for name in ("kafka", "spark", "warehouse"):
            assert f"{name} does not run: starting it" in log.read_text()
        # the vendor's bar was published in that run; the sensors of `dagster dev` bring it to the warehouse
        wait_for(lambda: rows_in_warehouse(settings) == 1 and nothing_in_flight(dev), 300)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_beside_a_running_platform_it_takes_the_daemon_s_place(
    settings: Settings, checkout: Path, tmp_path: Path
) -> None:
    dev, log, services = Settings.load(DAGSTER_PORT=str(free_ports(1)[0])), tmp_path / "dev.log", Services(settings)
    services.up()
    with dagster_dev(dev, checkout, log):
        wait_for(lambda: "`stock-assets up` brings them back" in log.read_text(), 120)
        states = {state.name: state.state for state in services.status()}
        assert states["dagster-daemon"] == states["dagster-webserver"] == "stopped"
        assert (states["kafka"], states["spark"]) == ("running", "running")
    services.up()
    assert {state.state for state in services.status()} == {"running"}
