"""Debian's Prometheus on our exporter: rules hold, metrics are well formed, and each panel's query has an answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from stock_assets.observability.fact import Fact
from stock_assets.observability.kept import Kept, file_of
from stock_assets.observability.metrics.grafana import DASHBOARDS, Panel, written
from stock_assets.observability.metrics.server import serve
from stock_assets.observability.observation import Held, Observation, PublisherSeen
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.fakes.observed import keep_observation
from stock_assets_tests.patience import wait_for

MONITORING = PROJECT / "docker" / "monitoring"
PANELS = [panel for name, (_, panels) in DASHBOARDS.items() for panel in panels if name != "spark"]
"""Those of our exporter; ``test_spark_metrics`` has Spark's."""
FACTS = [
    Fact("oldest_record_waiting", "ticks", False, "", "", 3.0, "seconds"),
    Fact("withheld_rows", "bars/daily_bars", False, "", "", 1.0, "rows"),
    Fact("daemon_heartbeat_age", "dagster-daemon", False, "", "", 12.0, "seconds"),
    Fact("queued_run_age", "", False, "", "", 0.0, "seconds"),
]


def programs(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed; .ci/run installs it")


def test_rules_alert_when_they_should_and_only_then() -> None:
    programs("promtool", "amtool")
    for command in (
        ["promtool", "test", "rules", "rules_test.yaml"],
        ["promtool", "check", "config", "prometheus.yaml"],
        ["amtool", "check-config", "alertmanager.yaml"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=MONITORING)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_has_a_test_and_a_runbook() -> None:
    rules = [
        rule for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    tested = {
        each["alertname"]
        for test in yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
        for each in test["alert_rule_test"]
        if each.get("exp_alerts")
    }
    runbooks = (PROJECT / "docs" / "runbooks.md").read_text()
    assert {rule["alert"] for rule in rules} == tested
    for rule in rules:
        assert rule["alert"] == "FactWrong" or f"\n### {rule['alert']}\n" in runbooks, rule["alert"]


def test_the_dashboards_are_those_that_are_generated() -> None:
    for file, text in written(MONITORING / "grafana" / "dashboards").items():
        assert file.read_text() == text, "run `make docs`"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes an exporter of ours each second; its address."""
    programs("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    exporter, port = free_ports(2)
    settings = Settings({"STOCK_ASSETS_LOCAL": str(folder), "METRICS_PORT": str(exporter), "COLLECT_EVERY_S": "3600"})
    observe(settings)
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(settings, "127.0.0.1", stop))
    serving.start()
    scrape = {"job_name": "stock_assets", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    given = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(given))
    command = ["prometheus", f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: _series(address, "count_over_time(stock_assets_observation_fresh[1m]) >= 3"), 120, 1)
        yield address
    finally:
        process.terminate()
        process.wait()
        stop.set()
        serving.join()


def observe(settings: Settings) -> None:
    """An observation with something of every kind."""
    from stock_assets.observability.alerting.store import Store
    from stock_assets.observability.alerting.store import file_of as alerts_file

    Store(alerts_file(settings))
    seen = keep_observation(file_of(settings), date(2024, 3, 1))
    more: Observation = replace(
        seen,
        facts=[*seen.facts, *FACTS],
        held=[Held("raw/ticks", 4, 120_000, date(2024, 3, 1), 3, 10_000, 0.2)],
        publishers=[PublisherSeen("alpha-vantage", 5, 5, 0, 1, 20)],
        availability={"available": 7},
        duplicates=2,
    )
    Kept(file_of(settings)).keep(more)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_each_panel_s_query_has_a_series(prometheus: str, panel: Panel) -> None:
    assert _series(prometheus, panel.expression.replace("$__rate_interval", "1m")), panel.expression


def test_the_units_of_panels_are_grafana_s() -> None:
    every = [panel for _, panels in DASHBOARDS.values() for panel in panels]
    assert {panel.unit for panel in every} <= {"short", "s", "bytes"}
    assert {panel.kind for panel in every} <= {"timeseries", "stat"}


def _series(address: str, query: str) -> list[object]:
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=10) as answer:
            found: list[object] = json.loads(answer.read())["data"]["result"]
            return found
    except OSError:
        return []


def test_nothing_of_this_machine_is_in_the_dashboards() -> None:
    for file in (MONITORING / "grafana" / "dashboards").glob("*.json"):
        assert str(Path.home()) not in file.read_text() or str(Path.home()) == "/"
