"""A daemon that is stopped under its supervisor is told once, and once more when it is back; Prometheus sees the same."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Sequence

import dagster as dg
import pytest

from stock_assets.local.services import Services
from stock_assets.observability.alerting.store import file_of, standings
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.platform.running import RUNS_S, Platform

DAEMON = "dagster-daemon"
WITHIN_S = 180.0


def told(received: list[tuple[str, str]], line: str, within_s: float) -> float:
    """Seconds until a message with this line came."""
    began = time.monotonic()
    wait_for(lambda: any(line in body for _, body in list(received)), within_s, 1)
    print(*received, sep="\n")
    return time.monotonic() - began


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_stopped_daemon_is_told_within_three_minutes_and_when_it_is_back(
    platform: Platform, received: list[tuple[str, str]]
) -> None:
    services = Services(platform.settings, print)
    wrong, well = f"WRONG  daemon heartbeat age {DAEMON}: stopped", f"well again  daemon heartbeat age {DAEMON}"
    services.stop([DAEMON])
    try:
        seconds = told(received, wrong, WITHIN_S)
        assert standings(file_of(platform.settings))["daemon_heartbeat_age", DAEMON].told
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{platform.settings.local.metrics_port}/metrics", timeout=10) as answer:
            scraped = answer.read().decode()
        assert f'stock_assets_fact_problem{{name="daemon_heartbeat_age",subject="{DAEMON}"}} 1.0' in scraped
    finally:
        services.up([DAEMON])
    again = told(received, well, 2 * WITHIN_S)
    print(f"told after {seconds:.0f} s, well again after {again:.0f} s")
    assert sum(wrong in body for _, body in received) == sum(well in body for _, body in received) == 1


@pytest.mark.timeout(1800)
def test_a_build_judges_sessions_before_it_loads_them(platform: Platform) -> None:
    """Else a session would count as complete one build late."""

    def builds() -> Sequence[dg.RunRecord]:
        wanted = dg.RunsFilter(job_name="build", statuses=[dg.DagsterRunStatus.SUCCESS])
        return platform.instance.get_run_records(wanted, limit=1)

    wait_for(lambda: bool(builds()), RUNS_S, 3)
    began = {
        each.step_key: each.start_time or 0
        for each in platform.instance.get_run_step_stats(builds()[0].dagster_run.run_id)
    }
    assert 0 < began["quality__availability"] < began["warehouse__daily_stock_metrics"]
