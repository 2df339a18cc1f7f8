"""Dagster's records and this machine's processes -> runs that nobody executes any more, reported as failed.

Belongs here: finding and reporting them. Dagster itself reports a run whose process dies while its code server lives; when both
are gone (a killed container, a power cut), the run would stay started and block every later one.
Does not belong here: trying again, which sensors and retries do once the run has failed.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

from stock_assets.defs.storage import keep_connections

CHECK_S = 20.0
SLACK_S = 5.0
"""The clock of processes ticks in hundredths, that of the records in microseconds; a clock may be set."""
LAUNCHED_BY = ".dagster/grpc_info"
"""Tag of a run that a code server started: the server's address, as JSON."""
EXECUTED_BY = "stock_assets/process"
"""Tag of a run that a command executes itself: where, as JSON."""
LOST = "The process that executed this run is gone, and so is what had started it."
_log = logging.getLogger(__name__)


def watch(port: int, every_s: float = CHECK_S) -> None:
    """Look again and again, until the process ends; storage that does not answer is asked again the next time.

    Args:
        port: of this code server.
    """
    while True:
        try:
            with dg.DagsterInstance.get() as instance:  # kept open: opening it costs ten times as much as a look
                keep_connections(instance)
                while True:
                    fail_orphans(instance, port)
                    time.sleep(every_s)
        except Exception as error:  # noqa: BLE001  whatever storage says, it is asked again
            _log.warning("orphaned runs cannot be looked for: %s", error)
        time.sleep(every_s)


def own_process() -> dict[str, str]:
    """Tags of a run that this process executes itself, so that others see when it is gone."""
    return {EXECUTED_BY: json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "at": time.time()})}


def fail_orphans(instance: dg.DagsterInstance, port: int | None = None) -> list[str]:
    """Fail the started runs whose process does not live; returns their ids.

    Args:
        port: of the code server that started them. Beside these, runs that a process of this machine executes itself. Others
            may be executed where this process cannot look.
    """
    failed = []
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    for record in instance.get_run_records(wanted):
        run = record.dagster_run
        itself = json.loads(run.tags.get(EXECUTED_BY, "{}"))
        worker: tuple[int, float] | None
        if itself.get("host") == socket.gethostname():
            worker = itself["pid"], itself["at"]
        elif port is not None and json.loads(run.tags.get(LAUNCHED_BY, "{}")).get("port") == port:
            worker = _worker(instance, run.run_id)
        else:
            continue
        if worker is None or _lives(*worker):
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is not None and not now.is_finished:  # it may have ended properly meanwhile
            instance.report_run_failed(now, LOST)
            failed.append(run.run_id)
    return failed


def _worker(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The run's process id and when it was reported (Unix time); None until it is."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event is not None else None
        if pid is not None:
            return int(str(pid.value)), entry.timestamp
    return None


def _lives(pid: int, said_at: float) -> bool:
    """Whether that process lives; one that began later has only got its number."""
    began = _began_at(pid)
    return began is not None and began <= said_at + SLACK_S


def _began_at(pid: int) -> float | None:
    """When a process began, in Unix time; None when there is none."""
    if sys.platform != "linux":
        told = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], env={"LC_ALL": "C"}, capture_output=True, text=True, check=False
        )
        return time.mktime(time.strptime(told.stdout.strip(), "%c")) if told.stdout.strip() else None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    if fields[0] == "Z":  # ended, and nobody has asked for its status
        return None
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return float(booted.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
