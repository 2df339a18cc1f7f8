"""A daemon that is stopped under its supervisor is told once, and once more when it is back; Prometheus sees the same."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator, Sequence

import dagster as dg
import pytest

from stock_assets.local.services import Services
from stock_assets.observability.alerting.store import file_of, standings
from stock_assets.observability.alerting.webhook import Webhook
from stock_assets.settings.platform import HOME
from stock_assets_tests.patience import wait_for
from stock_assets_tests.services.platform.running import RUNS_S, Platform

DAEMON = "dagster-daemon"
WITHIN_S = 180.0


@pytest.fixture
def webhook(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Webhook]:
    """Where the platform sends its alerts: the services begin again with a folder of settings that names it."""
    home = tmp_path_factory.mktemp("home")
    received = Webhook(0)
    (home / ".env").write_text(f"ALERTS_URL=json://127.0.0.1:{received.port}/\n")
    monkeypatch.setenv(HOME, str(home))
    services = Services(type(platform.settings).load(), print)
    try:
        services.up(["collector", "metrics", "alerts"])
        yield received
    finally:
        received.close()
        services.up([DAEMON])


def told(webhook: Webhook, line: str, within_s: float) -> float:
    """Seconds until a message with this line came."""
    began = time.monotonic()
    while (message := webhook.wait(lambda: began + within_s - time.monotonic())) is not None:
        print(f"{time.monotonic() - began:.0f} s: {message[0]}\n{message[1]}")
        if line in message[1]:
            return time.monotonic() - began
    raise AssertionError(f"{line!r} was not told within {within_s:.0f} s")


@pytest.mark.timeout(1800)
def test_a_stopped_daemon_is_told_within_three_minutes_and_when_it_is_back(
    platform: Platform, webhook: Webhook
) -> None:
    services = Services(type(platform.settings).load(), print)
    services.stop([DAEMON])
    seconds = told(webhook, f"WRONG  daemon heartbeat age {DAEMON}: stopped", WITHIN_S)
    assert standings(file_of(platform.settings))["daemon_heartbeat_age", DAEMON].told
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://127.0.0.1:{services.settings.local.metrics_port}/metrics", timeout=10) as answer:
        scraped = answer.read().decode()
    assert f'stock_assets_fact_problem{{name="daemon_heartbeat_age",subject="{DAEMON}"}} 1.0' in scraped
    services.up([DAEMON])
    again = told(webhook, f"well again  daemon heartbeat age {DAEMON}", 2 * WITHIN_S)
    print(f"told after {seconds:.0f} s, well again after {again:.0f} s")
    assert services.stop(["alerts"]) == ["alerts"]
    services.up(["alerts"])  # a restart repeats nothing
    assert webhook.wait(lambda: 0.0) is None


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
