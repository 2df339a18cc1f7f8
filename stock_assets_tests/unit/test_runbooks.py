"""Each fact that there is has a runbook, and alerts know which part of the platform tells it."""

from __future__ import annotations

import importlib
import re

from stock_assets.observability.alerting.watch import PART_OF
from stock_assets_tests.checkout import PROJECT

MODULES = ("channel", "machine", "marts", "runs", "services", "serving", "sessions", "stream", "topics")
FACT_NAMES = {
    "alerts", "collector", "completeness", "daemon_heartbeat_age", "failed_runs", "free_memory", "free_space", "key", "machine",
    "marts", "oldest_record_waiting", "publisher", "queued_run_age", "records_waiting", "schema", "sensor", "service",
    "service_level", "serving", "settings", "stale_sessions", "stream", "untold", "withheld_rows",
}  # fmt: skip
"""All facts that there are; a test holds them against the modules that make them."""


def constants(module: str) -> set[str]:
    """The texts that a module gives names to."""
    found = vars(importlib.import_module(f"stock_assets.observability.{module}"))
    return {value for name, value in found.items() if name.isupper() and isinstance(value, str)}


def test_each_fact_has_a_runbook_and_is_told_by_a_part_that_exists() -> None:
    runbooks = (PROJECT / "docs" / "runbooks.md").read_text()
    made = "".join(
        (PROJECT / "stock_assets" / "observability" / f"{name}.py").read_text() for name in (*MODULES, "facts")
    )
    literal = set(re.findall(r'Fact\(\s*"(\w+)"', made))
    named = {value for name in MODULES for value in constants(name)}
    assert literal <= FACT_NAMES <= literal | named | {"collector"}
    assert PART_OF.keys() <= FACT_NAMES
    for name in FACT_NAMES:
        assert f"\n### {name}\n" in runbooks, name
