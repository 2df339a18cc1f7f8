"""running containers -> what is claimed of metrics and alerts.

Belongs here: their claims alone. Does not belong here: the other claims (claims.py) and their order (verify.py). Grafana's image
is official and cannot be built here, so its container is left out; each of its queries is held by ``services/test_monitoring.py``.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from stock_assets_tests.containers.engine import run
from stock_assets_tests.containers.stack import Stack

MONITORS = ("metrics", "prometheus", "alertmanager")
DEADLINE_S = 300
TOLD_WITHIN_S = 240
"""In containers a stopped daemon shows only by the age of its last heartbeat, which must exceed 150 s."""


def _start(stack: Stack, *names: str) -> None:
    profiles = ["--profile", "monitoring", "--profile", "alerts"]
    stack.compose(*profiles, "up", "-d", "--no-build", "--no-deps", *names)
    stack.wait_healthy(names)


def monitored(stack: Stack) -> str:
    """Prometheus reaches the exporter and both of Spark's, its rules are in force, and it knows where Alertmanager is."""
    _start(stack, *MONITORS)
    wanted = {"up": 3, "rules": True, "alertmanagers": 1}
    began, found = time.monotonic(), dict[str, object]()
    while time.monotonic() - began < DEADLINE_S and found != wanted:
        time.sleep(2)
        up = _asked(stack, "query?" + urllib.parse.urlencode({"query": "up == 1"}))
        rules = _asked(stack, "rules")
        managers = _asked(stack, "alertmanagers")
        found = {
            "up": len(up.get("result", ())),
            "rules": bool(rules.get("groups")),
            "alertmanagers": len(managers.get("activeAlertmanagers", ())),
        }
    return "metrics scraped" if found == wanted else f"metrics not scraped ({found})"


def _asked(stack: Stack, path: str) -> dict[str, Any]:
    """What Prometheus's API answers; empty while it does not."""
    try:
        _, body = stack.get("PROMETHEUS_PORT", f"/api/v1/{path}")
    except OSError:
        return {}
    found: dict[str, Any] = json.loads(body)["data"]
    return found


def told(stack: Stack) -> str:
    """Alerts report a stopped daemon and its return, to a webhook inside the container.

    The container starts only now: the longer a channel is away, the less often it is retried.
    """
    _start(stack, "alerts")
    daemon = stack.containers()["daemon"]
    stopped = _told_after(stack, lambda: run(["docker", "stop", daemon]), "WRONG")
    back = _told_after(stack, lambda: run(["docker", "start", daemon]), "well again")
    stack.wait_healthy(["daemon"])
    return "daemon told" if not stopped and not back else f"daemon not told ({stopped or back})"


def _told_after(stack: Stack, act: Callable[[], str], word: str) -> str:
    """What was received instead of an alert about the daemon with that word; empty when it came."""
    command = ["docker", "exec", stack.containers()["alerts"], "stock-assets", "alerts", "wait", "--within"]
    received = []
    act()
    end = time.monotonic() + TOLD_WITHIN_S
    while (left := end - time.monotonic()) > 0:
        done = subprocess.run([*command, f"{left:.0f}"], capture_output=True, text=True, check=False)
        received.append(done.stdout.strip() or done.stderr.strip())
        if any(word in line and "daemon" in line for line in received[-1].splitlines()):
            return ""
    return "; ".join(received)[-400:] or "nothing"
