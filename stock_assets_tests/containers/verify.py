"""The stack of docker/, built and run on this machine, held against local mode: ``docker/verify``.

The last line printed is the verdict, one phrase for each claim; the exit status is 0 only when every claim holds.

Belongs here: the order of the steps and what each claims. Does not belong here: how containers, Dagster and tables are asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from stock_assets.settings.platform import Settings
from stock_assets.settings.process import export
from stock_assets_tests.conftest import own_ports
from stock_assets_tests.containers.claims import (
    COMMAND,
    dashboard,
    flow,
    inside,
    marts,
    publish,
    recover,
    refuse_account,
    say,
    serving,
    submit,
    workers,
)
from stock_assets_tests.containers.dagster_api import Dagster
from stock_assets_tests.containers.engine import engine, ensure_base, run, share_authorities
from stock_assets_tests.containers.monitoring_claim import monitored, told
from stock_assets_tests.containers.stack import TARGETS, Stack
from stock_assets_tests.containers.stream_claim import windows
from stock_assets_tests.containers.totals import Totals, all_totals

WANTED = (
    "rows = local",
    "dashboard = lake",
    "marts = metrics",
    "serving = metrics",
    "stream = batch",
    "spark-submit ok",
    "workers 1 = 2",
    "metrics scraped",
    "daemon told",
    "root 0",
    "off-loopback 0",
)


def local_mode(folder: Path) -> Totals:
    """What the demo leaves behind in local mode, in a folder and at ports of its own."""
    own = {
        "STOCK_ASSETS_LOCAL": str(folder),
        "STOCK_ASSETS_JARS": str(Settings.load().jars_dir),
        **own_ports(),
    }
    environment = {**os.environ, **own}
    try:
        run([COMMAND, "demo"], timeout_s=1800, environment=environment)
        return all_totals(Settings.load(**own))
    finally:
        run([COMMAND, "down"], environment=environment)


def verify(folder: Path) -> list[str]:
    """The phrases of the verdict, in order."""
    share_authorities()
    ensure_base(say)
    (folder / "secrets").mkdir(mode=0o700)
    stack = Stack(folder / "secrets")
    for target in TARGETS:
        run(["docker", "build", "-q", "-f", "docker/Dockerfile", "--target", target, "-t", f"stock-assets/{target}", "."],
            timeout_s=3600)  # fmt: skip
        size = int(run(["docker", "image", "inspect", "-f", "{{.Size}}", f"stock-assets/{target}"]))
        say(f"image {target}: {size / 1e6:,.0f} MB")
    say("the demo in local mode")
    expected = local_mode(folder / "local")
    say(f"local mode: {expected['warehouse']:,} rows in the warehouse")
    try:
        stack.compose("up", "-d", "--no-build", timeout_s=1200)
        said = [f"healthy {_count_healthy(stack)}"]
        say(said[0])
        own = inside(stack)
        settings, dagster = export(Settings.load(**own)), Dagster(int(stack.environment["DAGSTER_PORT"]))
        steps: list[Callable[[], str]] = [
            lambda: flow(settings, own, dagster, expected),
            lambda: dashboard(stack, settings),
            lambda: marts(settings),
            lambda: serving(stack, settings),
            lambda: windows(settings),
            lambda: submit(stack, settings),
            lambda: workers(stack, settings, dagster),
            lambda: recover(stack, settings, own, dagster),
            lambda: monitored(stack),
            lambda: told(stack),
            lambda: f"root {len(stack.root_processes())}",
            lambda: f"off-loopback {len(stack.open_to_others())}",
        ]
        for step in steps:
            said.append(step())
            say(said[-1])
        publish(stack, settings)
        refuse_account(stack, settings, dagster)
        return said
    finally:
        if "--keep" not in sys.argv:
            stack.compose("down", "--volumes", "--timeout", "20")


def _count_healthy(stack: Stack) -> str:
    try:
        stack.wait_healthy()
    except RuntimeError as sick:
        say(str(sick))
    states = stack.health()
    return f"{sum(state == 'healthy' for state in states.values())}/{len(states)}"


def holds(phrase: str) -> bool:
    """Whether a phrase of the verdict is the wanted one."""
    counted = re.fullmatch(r"(?:healthy|recovered) (\d+)/(\d+)", phrase)
    return counted[1] == counted[2] != "0" if counted else phrase in WANTED


def main() -> None:
    """Verify, print the verdict last, and end with status 1 when a claim does not hold."""
    said = []
    try:
        with engine(say), tempfile.TemporaryDirectory() as folder:
            said = verify(Path(folder))
    except (RuntimeError, OSError, subprocess.SubprocessError) as failed:
        said.append(f"failed: {failed}")
    print(", ".join(said), flush=True)
    sys.exit(not all(map(holds, said)))


if __name__ == "__main__":
    main()
