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
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from stock_assets.domain.tables import DAILY_BARS
from stock_assets.lake.tables import open_table
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import export
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.conftest import free_ports
from stock_assets_tests.containers.dagster_api import Dagster
from stock_assets_tests.containers.engine import engine, ensure_base, run, share_authorities
from stock_assets_tests.containers.stack import TARGETS, Stack
from stock_assets_tests.containers.totals import Totals, all_totals, built_totals, differences

COMMAND = Path(sys.executable).with_name("stock-assets")
BUILT_ASSETS = ("bars/minute_bars", "bars/daily_bars", "metrics/daily_metrics")
FLOW_DEADLINE_S = 900
WANTED = ("rows = local", "spark-submit ok", "workers 1 = 2", "root 0", "off-loopback 0")
BEGAN = time.monotonic()


def say(line: str) -> None:
    """Print with the seconds since the start."""
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", flush=True)


def local_mode(folder: Path) -> Totals:
    """What the demo leaves behind in local mode, in a folder and at ports of its own."""
    kafka, _controller, spark, warehouse, dagster, _code = free_ports(6)
    own = {
        "STOCK_ASSETS_LOCAL": str(folder),
        "STOCK_ASSETS_JARS": str(Settings.load().jars_dir),
        "KAFKA_PORT": str(kafka),
        "SPARK_PORT": str(spark),
        "WAREHOUSE_PORT": str(warehouse),
        "DAGSTER_PORT": str(dagster),
    }
    environment = {**os.environ, **own}
    try:
        run([COMMAND, "demo"], timeout_s=1800, environment=environment)
        return all_totals(Settings.load(**own))
    finally:
        run([COMMAND, "down"], environment=environment)


def inside(stack: Stack) -> dict[str, str]:
    """Settings with which programs on this machine reach the containers."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{stack.environment['KAFKA_PORT']}",
        "LAKE_ROOT": "s3://stock-assets/lake",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{stack.environment['MINIO_PORT']}",
        "AWS_ACCESS_KEY_ID": stack.secret("aws_access_key_id"),
        "AWS_SECRET_ACCESS_KEY": stack.secret("aws_secret_access_key"),
        "SNOWFLAKE_ACCOUNT": "standin",
        "SNOWFLAKE_USER": "standin",
        "SNOWFLAKE_PASSWORD": stack.secret("snowflake_password"),
        "SNOWFLAKE_HOST": "127.0.0.1",
        "SNOWFLAKE_PORT": stack.environment["WAREHOUSE_PORT"],
        "SNOWFLAKE_PROTOCOL": "http",
    }


def flow(settings: Settings, own: dict[str, str], dagster: Dagster, expected: Totals) -> str:
    """Put the demo's input into the topics and wait until the sensors have brought it all to the warehouse."""
    run([COMMAND, "produce", "shipped"], environment={**os.environ, **own})
    say("published; the containers' sensors land and build")
    began = time.monotonic()
    found: Totals = {}
    while time.monotonic() - began < FLOW_DEADLINE_S:
        time.sleep(3)
        if dagster.unfinished():
            continue
        found = all_totals(settings)
        if found == expected or dagster.failed():
            break
    wrong = differences(found, expected)
    return (
        "rows = local" if not wrong else f"rows != local ({'; '.join(wrong[:3])}; failed runs: {len(dagster.failed())})"
    )


def submit(stack: Stack, settings: Settings) -> str:
    """Run a stage by ``spark-submit`` on the cluster, while nobody else commits."""
    handle = open_table(settings.lake_root, DAILY_BARS)
    assert handle is not None
    days = sorted(set(handle.to_pyarrow_dataset().to_table(columns=["trading_day"])[0].to_pylist()))
    first, last = days[-20], days[-1]
    before = built_totals(settings.lake_root)
    stack.compose("stop", "daemon", "spark-connect")
    try:
        said = stack.compose(
            *("run", "--rm", "-T", "spark-connect", "spark-submit", "--master", "spark://spark-master:7077"),
            *("spark/submit.py", "--lake", settings.lake_root, "--stage", "daily_bars"),
            *("--first", str(first), "--last", str(last)),
        )
    finally:
        stack.compose("start", "spark-connect", "daemon")
    stack.wait_healthy()
    told = re.search(r"daily_bars: (\d+) rows of (\d+) sessions, (\d+) changed", said)
    rows = _rows(settings, first, last)
    if told is None or int(told[1]) != rows or differences(built_totals(settings.lake_root), before):
        return f"spark-submit failed ({said.strip()[-200:]}; the table has {rows} rows)"
    return "spark-submit ok"


def _rows(settings: Settings, first: date, last: date) -> int:
    handle = open_table(settings.lake_root, DAILY_BARS)
    assert handle is not None
    days = handle.to_pyarrow_dataset().to_table(columns=["trading_day"])[0].to_pylist()
    return sum(first <= day <= last for day in days)


def workers(stack: Stack, settings: Settings, dagster: Dagster) -> str:
    """Empty the built tables and backfill them, with one worker and then with two."""
    results: dict[int, Totals] = {}
    handle = open_table(settings.lake_root, DAILY_BARS)
    assert handle is not None
    days = sorted({str(day) for day in handle.to_pyarrow_dataset().to_table(columns=["trading_day"])[0].to_pylist()})
    partitions = [day for day in days if day >= str(settings.dagster.first_session)]
    before = built_totals(settings.lake_root)
    dagster.set_sensor("staleness_sensor", running=False)
    for count in (1, 2):
        stack.compose("stop" if count == 1 else "start", "spark-worker-2")
        if count == 2:
            stack.wait_healthy(["spark-worker-2"])
        stack.compose("stop", "spark-connect")  # it remembers the tables that are deleted now
        _empty()
        stack.compose("start", "spark-connect")
        stack.wait_healthy(["spark-connect", "spark-worker-1"])
        took = dagster.backfill(BUILT_ASSETS, partitions)
        results[count] = built_totals(settings.lake_root)
        say(f"backfill of {len(partitions)} sessions with {count} worker{'s' * (count - 1)}: {took:.0f} s")
    dagster.set_sensor("staleness_sensor", True)
    wrong = differences(results[1], results[2]) or differences(results[2], before)
    return "workers 1 = 2" if not wrong else f"workers 1 != 2 ({'; '.join(wrong[:3])})"


def _empty() -> None:
    """Delete the files of what Spark builds, so that a backfill starts from nothing."""
    import boto3

    client = boto3.client("s3")
    for prefix in ("lake/bars/", "lake/metrics/"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="stock-assets", Prefix=prefix)
        for page in pages:
            for each in page.get("Contents", ()):
                client.delete_object(Bucket="stock-assets", Key=each["Key"])


def recover(stack: Stack, own: dict[str, str]) -> str:
    """Kill each container once; afterwards everything is well and every offset is still accounted for."""
    names = list(stack.containers())
    back = 0
    for name in names:
        try:
            say(f"{name} was killed, and well again after {stack.kill(name):.0f} s")
            stack.wait_healthy()
            back += 1
        except RuntimeError as lost:
            say(str(lost))
    proved = subprocess.run(
        [COMMAND, "verify"], env={**os.environ, **own}, cwd=PROJECT, check=False, capture_output=True
    )
    return f"recovered {back if proved.returncode == 0 else 0}/{len(names)}"


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
            lambda: submit(stack, settings),
            lambda: workers(stack, settings, dagster),
            lambda: recover(stack, own),
            lambda: f"root {len(stack.root_processes())}",
            lambda: f"off-loopback {len(stack.open_to_others())}",
        ]
        for step in steps:
            said.append(step())
            say(said[-1])
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
    except RuntimeError as failed:
        said.append(f"failed: {failed}")
    print(", ".join(said), flush=True)
    sys.exit(not all(map(holds, said)))


if __name__ == "__main__":
    main()
