"""A real Connect server tells Prometheus of its jobs and memory, on loopback only, and what each panel asks is among it."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession

from stock_assets.local.services import Services
from stock_assets.local.spark_metrics import PATH
from stock_assets.observability.metrics.grafana import DASHBOARDS, SPARK
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports, place
from stock_assets_tests.patience import wait_for

_, PANELS = DASHBOARDS["spark"]


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a Connect server that tells; it has run a query."""
    with pytest.MonkeyPatch.context() as patch:
        place(patch, tmp_path_factory.mktemp("local"))
        patch.setenv("SPARK_METRICS_PORT", str(free_ports(2)[0]))
        settings = Settings.load()
        services = Services(settings, print)
        try:
            services.up(["spark"])
            session = SparkSession.builder.remote(settings.spark_remote).create()
            assert session.range(1000).selectExpr("sum(id) AS total").first() == (499_500,)
            session.stop()
            yield settings
        finally:
            services.down()


def scraped(settings: Settings) -> dict[str, float]:
    """What Prometheus would read now, by name."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{settings.spark.metrics_port}{PATH}", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {sample.name: sample.value for family in families for sample in family.samples}


def test_jobs_and_memory_are_told(metered: Settings) -> None:
    wait_for(lambda: scraped(metered)[f"{SPARK}appStatus_jobs_succeededJobs_Count"] >= 1, 60)
    found = scraped(metered)
    assert found[f"{SPARK}appStatus_stages_completedStages_Count"] >= 1
    assert found[f"{SPARK}appStatus_tasks_completedTasks_Count"] >= 1
    assert found[f"{SPARK}appStatus_jobs_failedJobs_Count"] == 0
    assert 1e6 < found[f"{SPARK}jvm_heap_used_Value"] < 4e9


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_each_panel_asks_for_what_is_told(metered: Settings, panel: object) -> None:
    names = re.findall(rf"{SPARK}\w+", str(panel))
    assert names and set(names) <= scraped(metered).keys()


def test_it_listens_on_loopback_only(metered: Settings) -> None:
    port = metered.spark.metrics_port
    socket.create_connection(("127.0.0.1", port), 5).close()
    with pytest.raises(OSError, match="refused|timed out|unreachable"):  # one that listens everywhere listens here, too
        socket.create_connection(("127.0.0.2", port), 5).close()


def test_prometheus_asks_where_containers_tell() -> None:
    given = yaml.safe_load((PROJECT / "docker" / "monitoring" / "prometheus.yaml").read_text())
    (job,) = [each for each in given["scrape_configs"] if each["job_name"] == "spark"]
    compose = yaml.safe_load((PROJECT / "docker" / "compose.yaml").read_text())["services"]
    assert job["metrics_path"] == PATH
    for target in (target for each in job["static_configs"] for target in each["targets"]):
        service, _, port = target.partition(":")
        assert compose[service]["environment"]["SPARK_METRICS_PORT"] == f"${{SPARK_METRICS_PORT-{port}}}"
        assert "ports" not in compose[service]
    (dropped,) = job["metric_relabel_configs"]
    assert not any(re.search(rf"{SPARK}\w+_Number", panel.query) for panel in PANELS) and dropped["action"] == "drop"
