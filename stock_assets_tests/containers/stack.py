"""docker/compose.yaml -> running containers, and what is true of them.

Belongs here: starting and stopping them under a project name, ports and secrets of their own, asking for health, killing.
Does not belong here: what flows through them (flow.py).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.containers.engine import run

PORTS = (
    "KAFKA_PORT",
    "MINIO_PORT",
    "SPARK_UI_PORT",
    "DAGSTER_PORT",
    "WAREHOUSE_PORT",
    "DASHBOARD_PORT",
    "POSTGRES_PORT",
    "METRICS_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
)
SECRETS = (
    *("aws_access_key_id", "aws_secret_access_key", "postgres_password", "serving_password", "bi_reader_password"),
    *("snowflake_password", "pgadmin_password", "grafana_password"),
    *("alerts_url", "alertmanager_url", "dead_mans_switch_url"),
)
ADDRESSES = {
    "alerts_url": "json://127.0.0.1:9999/",
    "alertmanager_url": "http://127.0.0.1:9999/",
    "dead_mans_switch_url": "http://127.0.0.1:9998/",
}
"""Secrets that are addresses, each within the container that uses it; ``alerts wait`` listens at the first one."""
HEALTH_DEADLINE_S = 420
TARGETS = ("postgres", "kafka", "app", "spark", "warehouse", "minio", "monitoring")


@dataclass
class Stack:
    """The containers of one project name, with the settings of ``env_file``."""

    folder: Path
    env_file: Path = PROJECT / "docker" / "standin.env"
    project: str = "stock-assets-verify"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in SECRETS:
            path = self.folder / name
            path.write_text(ADDRESSES.get(name) or secrets.token_hex(12))
            path.chmod(0o444)  # read by the container's user; the folder is closed to others
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DOCKER_HOST")},
            **ports,
            "SECRETS_DIR": str(self.folder),
            "LANDING_MAX_DELAY_S": "4",
            **self.environment,
        }

    def secret(self, name: str) -> str:
        return (self.folder / name).read_text()

    def compose(self, *arguments: str, timeout_s: float = 900, **environment: str) -> str:
        command = ["docker-compose", "-p", self.project, "-f", "docker/compose.yaml", "--env-file", str(self.env_file)]
        return run([*command, *arguments], timeout_s=timeout_s, environment={**self.environment, **environment})

    def get(self, port: str, path: str) -> tuple[int, bytes]:
        """Status and body of what answers at a published port.

        Raises:
            OSError: nothing does, or not with success.
        """
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{self.environment[port]}{path}", timeout=30) as answer:
            return answer.status, answer.read()

    def containers(self) -> dict[str, str]:
        """Id of each container by its service, stopped ones too; no one-off containers."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = run(
            ["docker", "ps", "-aq", "--filter", label, "--filter", "label=com.docker.compose.oneoff=False"]
        ).split()
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each["Id"] for each in _inspect(ids)}

    def health(self) -> dict[str, str]:
        """``healthy``, ``unhealthy`` or ``starting`` by service."""
        found = _inspect(self.containers().values())
        return {
            each["Config"]["Labels"]["com.docker.compose.service"]: each["State"]["Health"]["Status"]
            if each["State"]["Running"]
            else "stopped"
            for each in found
        }

    def wait_healthy(self, names: Iterable[str] = (), deadline_s: float = HEALTH_DEADLINE_S) -> float:
        """Seconds until all of ``names`` (of all containers when none is named) are healthy.

        Raises:
            RuntimeError: some are not in time; the text carries their last words.
        """
        began = time.monotonic()
        wanted = set(names)
        while True:
            states = self.health()
            sick = {name: state for name, state in states.items() if state != "healthy"} if not wanted else {}
            sick |= {name: states.get(name, "absent") for name in wanted if states.get(name) != "healthy"}
            if not sick:
                return time.monotonic() - began
            if time.monotonic() - began > deadline_s:
                words = "; ".join(f"{name} is {state}: {self.last_words(name)}" for name, state in sick.items())
                raise RuntimeError(words)
            time.sleep(1)

    def last_words(self, service: str, lines: int = 3) -> str:
        found = self.containers().get(service)
        if found is None:
            return "there is no such container"
        done = subprocess.run(
            ["docker", "logs", "--tail", str(lines), found], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr).strip()[-400:]

    def kill(self, service: str) -> float:
        """Kill every process of the container at once, wait until it was started again and is well; returns seconds.

        Raises:
            RuntimeError: it does not come back.
        """
        container = self.containers()[service]
        before = _inspect([container])[0]["State"]["StartedAt"]
        # tini, process 1, cannot be signalled from within; it ends with its child, as after a crash
        subprocess.run(["docker", "exec", container, "bash", "-c", "kill -KILL -1"], capture_output=True, check=False)
        began = time.monotonic()
        while (state := _inspect([container])[0]["State"])["StartedAt"] == before or not state["Running"]:
            if time.monotonic() - began > 90:
                raise RuntimeError(f"{service} was not started again after it was killed")
            time.sleep(0.2)
        self.wait_healthy([service])
        return time.monotonic() - began

    def root_processes(self) -> list[str]:
        """``service: command`` of each process that runs as root."""
        found = []
        for service, container in self.containers().items():
            rows = run(["docker", "top", container, "-eo", "pid,uid,args"]).splitlines()[1:]
            found += [f"{service}: {row.split(None, 2)[2]}" for row in rows if row.split()[1] == "0"]
        return found

    def open_to_others(self) -> list[str]:
        """Published ports that answer at an address of this machine other than loopback, or say they would."""
        found = []
        addresses = {"0.0.0.0", *run(["hostname", "-I"]).split()} - {"127.0.0.1"}
        for each in _inspect(self.containers().values()):
            service = each["Config"]["Labels"]["com.docker.compose.service"]
            for bindings in (each["NetworkSettings"]["Ports"] or {}).values():
                for binding in bindings or ():
                    if binding["HostIp"] not in ("127.0.0.1", "::1"):
                        found.append(f"{service}: published at {binding['HostIp']}:{binding['HostPort']}")
                    found += [
                        f"{service}: answers at {address}:{binding['HostPort']}"
                        for address in addresses - {"0.0.0.0"}
                        if _answers(address, int(binding["HostPort"]))
                    ]
        return found


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def _inspect(ids: Iterable[str]) -> list[dict[str, Any]]:
    wanted = list(ids)
    found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", *wanted])) if wanted else []
    return found
