"""supervisor's word, settings, health files -> what is told of each service.

Belongs here: the row of ``status``, and the verdict on a publisher.
Does not belong here: asking supervisor (services.py), whether a service answers (readiness.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stock_assets.local.program import LOOPBACK
from stock_assets.local.programs import PUBLISHER
from stock_assets.publishers.health import HealthFile, Verdict
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import names_of_publishers


@dataclass(frozen=True)
class ServiceState:
    """One row of ``status``; ``uptime_s`` is 0 unless it runs, ``verdict`` is a publisher's."""

    name: str
    state: str
    pid: int
    address: str
    uptime_s: int
    verdict: Verdict | None = None


def publishers_of(settings: Settings) -> tuple[str, ...]:
    """The services that are publishers."""
    return tuple(PUBLISHER + name for name in names_of_publishers(settings))


def state_of(settings: Settings, name: str, info: dict[str, Any] | None) -> ServiceState:
    """What is told of a service; ``info`` is what supervisor says, None when it does not know it."""
    running = info is not None and info["statename"] == "RUNNING"
    uptime = max(0, info["now"] - info["start"]) if info is not None and running else 0
    state, pid = (info["statename"].lower(), info["pid"]) if info is not None else ("stopped", 0)
    verdict = _verdict(settings, name, state) if name.startswith(PUBLISHER) else None
    return ServiceState(name, state, pid, address_of(settings, name), uptime, verdict)


def address_of(settings: Settings, name: str) -> str:
    """Where a service listens; ``-`` when it does not."""
    ports = settings.local.ports
    return f"{LOOPBACK}:{ports[name]}" if name in ports else "-"


def _verdict(settings: Settings, name: str, state: str) -> Verdict:
    file = HealthFile(settings.local_dir, name.removeprefix(PUBLISHER).replace("-", "_"))
    said = file.healthy(datetime.now(UTC))
    if state in ("starting", "running") or not said:
        return said
    return Verdict(False, f"{name} does not run: it is {state}")  # its file is of a process that was killed
