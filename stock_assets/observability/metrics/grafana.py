"""queries -> Grafana's dashboards, as files.

Belongs here: which panels there are, and what each asks of Prometheus. ``make docs`` writes the files; tests hold them against this
module, and each query against a real scrape.
Does not belong here: the metrics (``families``; Spark's own are turned on by ``local.spark_metrics``).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 8, 8
COLUMNS = 24 // WIDTH
SPARK = "metrics_spark_driver_"
"""What the names of Spark's own metrics begin with."""


@dataclass(frozen=True)
class Panel:
    """A panel: what it asks, with ``stock_assets_`` left out where ``$`` stands, how it is named, and in which unit it is shown."""

    title: str
    query: str
    legend: str = ""
    unit: str = "short"
    kind: str = "timeseries"

    @property
    def expression(self) -> str:
        """The query as Grafana takes it, which knows the interval to look back for rates."""
        return self.query.replace("$__", "@").replace("$", "stock_assets_").replace("@", "$__")


DASHBOARDS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "platform": (
        "Is anything wrong",
        (
            Panel("Facts that are wrong", "sum($fact_problem)", kind="stat"),
            Panel("Which", "$fact_problem", "{{name}} {{subject}}"),
            Panel("Age of what is shown", "$observation_age_seconds", unit="s", kind="stat"),
            Panel("Services that run", "$service_running", "{{service}}"),
            Panel("Memory of services", "$service_memory_bytes", "{{service}}", "bytes"),
            Panel("Room on disks", "$free_space_bytes", "{{place}}", "bytes"),
            Panel("Free memory", "$free_memory_bytes", unit="bytes"),
            Panel("Oldest heartbeat of Dagster's daemon", "$daemon_heartbeat_age_seconds", unit="s"),
            Panel("Oldest queued run", "$queued_run_age_seconds", unit="s"),
            Panel("Turns that wait to be sent", "$alerts_waiting"),
            Panel("Facts that count as wrong", "$alerts_wrong"),
            Panel("How long a look takes", "$observation_seconds", unit="s"),
        ),
    ),
    "data": (
        "The data",
        (
            Panel("Records that wait", "$lag_records", "{{topic}}/{{partition}}"),
            Panel("Oldest record that waits", "$oldest_record_waiting_seconds", "{{stage}}", "s"),
            Panel("Records landed, per second", "rate($rows_landed_total[$__rate_interval])", "{{topic}}/{{partition}}"),
            Panel("Records rejected, per second", "rate($rows_rejected_total[$__rate_interval])", "{{topic}}/{{partition}}"),
            Panel("Completeness holds", "$completeness_holds", "{{topic}}/{{partition}}"),
            Panel("Duplicates dropped", "$duplicates_total"),
            Panel("Withheld rows", "$withheld_rows", "{{table}}"),
            Panel("Sessions to be built", "$stale_sessions", "{{stage}}"),
            Panel("Sessions behind the exchange", "$table_sessions_behind", "{{table}}"),
            Panel("Symbols' sessions by availability", "$symbol_sessions", "{{availability}}"),
            Panel("Rows", "$table_rows", "{{table}}"),
            Panel("Sessions", "$table_sessions", "{{table}}"),
            Panel("Files", "$table_files", "{{table}}"),
            Panel("Bytes", "$table_bytes", "{{table}}", "bytes"),
            Panel("Newest commit", "$table_commit_seconds", "{{table}}", "s"),
        ),
    ),
    "runs": (
        "Runs and publishers",
        (
            Panel("Runs that ended, per minute", "60 * rate($run_seconds_count[$__rate_interval])", "{{dagster_job}} {{status}}"),
            Panel("Mean run", "$run_seconds_sum / $run_seconds_count", "{{dagster_job}} {{status}}", "s"),
            Panel("Mean step", "$step_seconds_sum / $step_seconds_count", "{{step}}", "s"),
            Panel("Runs in progress", "$runs_in_progress", "{{dagster_job}} {{status}}"),
            Panel("Failed in a row", "$failed_runs_in_a_row", "{{purpose}}"),
            Panel("Checks whose newest evaluation failed", "1 - $check_passed", "{{asset}} {{check}}"),
            Panel("Messages acknowledged, per second", "rate($publisher_acknowledged_total[$__rate_interval])", "{{publisher}}"),
            Panel("Records refused", "$publisher_refused_total", "{{publisher}}"),
            Panel("Reconnects", "$publisher_reconnects_total", "{{publisher}}"),
            Panel("Requests left today", "$publisher_requests_left", "{{publisher}}"),
        ),
    ),
    "spark": (
        "Spark",
        (
            Panel("Jobs that run", f"{SPARK}DAGScheduler_job_activeJobs_Value", "{{driver}}"),
            Panel("Jobs that ended, per minute", f"60 * rate({SPARK}appStatus_jobs_succeededJobs_Count[$__rate_interval])", "{{driver}}"),
            Panel("Jobs that failed", f"{SPARK}appStatus_jobs_failedJobs_Count", "{{driver}}"),
            Panel("Stages that run", f"{SPARK}DAGScheduler_stage_runningStages_Value", "{{driver}}"),
            Panel("Stages that wait", f"{SPARK}DAGScheduler_stage_waitingStages_Value", "{{driver}}"),
            Panel("Tasks that ended, per second", f"rate({SPARK}appStatus_tasks_completedTasks_Count[$__rate_interval])", "{{driver}}"),
            Panel("Heap in use", f"{SPARK}jvm_heap_used_Value", "{{driver}}", "bytes"),
            Panel("Memory of stored blocks and of tasks", f"{SPARK}ExecutorMetrics_OnHeapUnifiedMemory_Value", "{{driver}}", "bytes"),
            Panel("Seconds of collecting garbage, per second", f"rate({SPARK}ExecutorMetrics_TotalGCTime_Value[$__rate_interval]) / 1000",
                  "{{driver}}", "s"),
        ),
    ),
}  # fmt: skip


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"stock-assets-{name}",
        "title": f"stock_assets: {title}",
        "tags": ["stock_assets"],
        "timezone": "utc",
        "refresh": "1m",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "panels": [_panel(number, each) for number, each in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "prometheus"}
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": "A", "datasource": source, "expr": panel.expression, "legendFormat": panel.legend or "__auto"}
        ],
    }


def written(folder: Path) -> dict[Path, str]:
    """Each file, and what it holds."""
    return {folder / f"{name}.json": json.dumps(dashboard(name), indent=1) + "\n" for name in DASHBOARDS}


if __name__ == "__main__":
    for file, text in written(Path(sys.argv[1])).items():
        file.write_text(text, encoding="utf-8")
