"""definitions -> Dagster's code server, whose runs are forked from a process that has imported everything.

Belongs here: how run workers come to life. Dagster spawns each as a new interpreter, which imports for 25 CPU-seconds what
a build needs (Great Expectations and dagster-snowflake take 10 each). Here they are forked from one process that has done
so once: a run begins within a second, and several share that memory. Runs that an earlier server left behind are reported as failed.
Does not belong here: anything about the server itself; the arguments are those of ``dagster api grpc``.
"""

from __future__ import annotations

import importlib
import multiprocessing
import runpy
import sys
import threading
from multiprocessing import forkserver
from multiprocessing.context import BaseContext, ForkServerContext

RUNS_IMPORT = [
    "stock_assets.definitions",
    "spark.jobs",
    "kafka",
    "confluent_kafka",
    "deltalake",
    "stock_assets.landing.commit",
    "stock_assets.raw.completeness",
    "stock_assets.warehouse.load",
    "dagster_pyspark",
    "dagster_snowflake",
    "stock_assets.quality.validate",
    "great_expectations",
    "boto3",
]
"""What runs import, in the order in which they need it."""
RUN_WATCH = "stock_assets.defs.orphaned_runs"


def fork_runs() -> ForkServerContext:
    """Let every process that would be spawned be forked instead, from a process that has imported ``RUNS_IMPORT``."""
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(RUNS_IMPORT)
    usual = multiprocessing.get_context

    def get_context(method: str | None = None) -> BaseContext:
        return forked if method == "spawn" else usual(method)

    multiprocessing.get_context = get_context  # type: ignore[assignment]
    return forked


def watch_runs(port: int) -> None:
    """Beside the server, look for runs that an earlier one left behind; by name, as nothing here knows Dagster."""
    importlib.import_module(RUN_WATCH).watch(port)


if __name__ == "__main__":
    fork_runs()
    forkserver.ensure_running()  # it imports while the server starts
    port = int(sys.argv[sys.argv.index("-p") + 1])
    threading.Thread(target=watch_runs, args=[port], name="orphaned runs", daemon=True).start()
    sys.argv = ["dagster", "api", "grpc", *sys.argv[1:]]
    runpy.run_module("dagster", run_name="__main__")
