"""Dagster's records in a folder, made once for many tests: its tables take longer to make than most of them to run."""

from __future__ import annotations

import dagster as dg


def open_records(home: str) -> dg.DagsterInstance:
    """An instance with its records in a folder, which another process may open, too; one file has the events of all runs."""
    events = {
        "module": "dagster._core.storage.event_log",
        "class": "ConsolidatedSqliteEventLogStorage",
        "config": {"base_dir": f"{home}/history"},
    }
    return dg.DagsterInstance.local_temp(home, overrides={"event_log_storage": events})
