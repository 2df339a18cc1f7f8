"""running containers -> what is claimed of them, each as a phrase of the verdict.

Belongs here: one function for each claim. Does not belong here: their order (verify.py), and how containers, Dagster and
tables are asked (stack.py, dagster_api.py, totals.py).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import psycopg
from snowflake.connector.errors import ProgrammingError

from stock_assets.domain.tables import DAILY_BARS, RAW_TICKS
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.set_up import METRICS
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.containers.dagster_api import Dagster
from stock_assets_tests.containers.engine import run
from stock_assets_tests.containers.stack import Stack
from stock_assets_tests.containers.totals import Totals, all_totals, built_totals, differences

COMMAND = Path(sys.executable).with_name("stock-assets")
BUILT_ASSETS = ("bars/minute_bars", "bars/daily_bars", "metrics/daily_metrics")
FLOW_DEADLINE_S = 1800
LANDING_DEADLINE_S = 300
MARTS_DEADLINE_S = 600
SEEN = """
from stock_assets.dashboard import data
from stock_assets.observability.kept import file_of, newest
place = data.settings()
print(data.written(place).newest, bool(newest(file_of(place))))
"""
BEGAN = time.monotonic()


def say(line: str) -> None:
    """Print with the seconds since the start."""
    print(f"{time.monotonic() - BEGAN:6.0f} s  {line}", flush=True)


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


def dashboard(stack: Stack, settings: Settings) -> str:
    """The dashboard answers at its port, sees the lake's newest session, and the collector's facts."""
    status, _ = stack.get("DASHBOARD_PORT", "/_stcore/health")
    seen = stack.compose("exec", "-T", "dashboard", "python", "-c", SEEN).split()
    wanted = ["200", str(max(_days(settings))), "True"]
    found = [str(status), *seen[-2:]]
    return "dashboard = lake" if found == wanted else f"dashboard != lake ({' '.join(found)}, not {' '.join(wanted)})"


def marts(settings: Settings) -> str:
    """Wait until the daemon's automation has loaded and built the marts with the image's dbt."""
    began, found = time.monotonic(), "no marts"
    while time.monotonic() - began < MARTS_DEADLINE_S:
        time.sleep(3)
        try:
            with connect(settings.snowflake) as connection, connection.cursor() as cursor:
                counted = []
                for name in ("FACT_STOCK_DAILY", "MART_SYMBOL_PERFORMANCE", METRICS):
                    cursor.execute(f"SELECT COUNT(*) FROM {name}")
                    counted += [row[0] for row in cursor.fetchall()]
        except ProgrammingError as missing:
            found = str(missing)
            continue
        if counted[0] and counted[0] == counted[1] == counted[2]:
            return "marts = metrics"
        found = f"{counted[0]} facts and {counted[1]} rows of performance of {counted[2]} metrics"
    return f"marts != metrics ({found})"


def serving(stack: Stack, settings: Settings) -> str:
    """Wait until BI tools see, as their reader and at the port of this machine, all rows of the metrics; nothing else is let in."""
    place = f"127.0.0.1:{stack.environment['POSTGRES_PORT']}"
    address = f"postgresql://bi_reader:{stack.secret('bi_reader_password')}@{place}"
    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {METRICS}")
        wanted = cursor.fetchall()
    began, found = time.monotonic(), "nothing"
    while time.monotonic() - began < MARTS_DEADLINE_S:
        time.sleep(3)
        try:
            with psycopg.connect(f"{address}/serving", connect_timeout=10) as reader:
                counted = reader.execute("SELECT count(*) FROM price_trends").fetchall()
        except psycopg.errors.UndefinedTable as missing:
            found = str(missing)
            continue
        if counted == [tuple(wanted[0])]:
            break
        found = f"{counted[0][0]} of {wanted[0][0]} rows"
    else:
        return f"serving != metrics ({found})"
    try:
        psycopg.connect(f"{address}/dagster", connect_timeout=10).close()
    except psycopg.OperationalError:
        return "serving = metrics"
    return "serving = metrics, but its reader may read Dagster's records"


def submit(stack: Stack, settings: Settings) -> str:
    """Run a stage by ``spark-submit`` on the cluster, while nobody else commits."""
    days = sorted(set(_days(settings)))
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
    rows = sum(first <= day <= last for day in _days(settings))
    if told is None or int(told[1]) != rows or differences(built_totals(settings.lake_root), before):
        return f"spark-submit failed ({said.strip()[-200:]}; the table has {rows} rows)"
    return "spark-submit ok"


def _days(settings: Settings) -> list[date]:
    """The session of each row of the daily bars."""
    days: list[date] = read_sessions(settings.lake_root, DAILY_BARS, ["trading_day"])[0].to_pylist()
    return days


def workers(stack: Stack, settings: Settings, dagster: Dagster) -> str:
    """Empty the built tables and backfill them, with one worker and then with two."""
    results: dict[int, Totals] = {}
    partitions = [str(day) for day in sorted(set(_days(settings))) if day >= settings.dagster.first_session]
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


def refuse_account(stack: Stack, settings: Settings, dagster: Dagster) -> None:
    """With an account that does not exist the web server is well, and the failed run names the account.

    Raises:
        RuntimeError: it does not.
    """
    wrong = {
        "SNOWFLAKE_ACCOUNT": "no-such-account",
        "SNOWFLAKE_HOST": "",
        "SNOWFLAKE_PORT": "",
        "SNOWFLAKE_PROTOCOL": "",
    }
    dagster_services = ("code", "webserver", "daemon")
    stack.compose("up", "-d", "--no-build", *dagster_services, **wrong)
    stack.wait_healthy(dagster_services)
    try:
        dagster.backfill(["warehouse/daily_stock_metrics"], [str(max(_days(settings)))])
    except RuntimeError as told:
        if "no-such-account" not in str(told):
            raise RuntimeError(f"a wrong account is not named as the cause: {told}") from None
        say(f"with a wrong account the web server is well and the run says: {str(told)[-300:]}")
        return
    finally:
        stack.compose("up", "-d", "--no-build", *dagster_services)
    raise RuntimeError("a run succeeded with a wrong account")


def publish(stack: Stack, settings: Settings) -> None:
    """A publisher of the profile ``publishers`` is well, and its ticks land.

    Raises:
        RuntimeError: it is not, or none lands in time.
    """
    before = _ticks(settings)
    stack.compose("--profile", "publishers", "up", "-d", "--no-build", "simulator")
    try:
        stack.wait_healthy(["simulator"])
        began = time.monotonic()
        while (landed := _ticks(settings) - before) == 0:
            if time.monotonic() - began > LANDING_DEADLINE_S:
                raise RuntimeError("no tick of the simulator landed")
            time.sleep(1)
        say(f"the simulator publishes; {landed:,} of its ticks have landed")
    finally:
        stack.compose("--profile", "publishers", "stop", "simulator")


def _ticks(settings: Settings) -> int:
    """Rows of the raw ticks."""
    handle = open_table(settings.lake_root, RAW_TICKS)
    return handle.count() if handle is not None else 0


def _empty() -> None:
    """Delete the files of what Spark builds, so that a backfill starts from nothing."""
    import boto3

    client = boto3.client("s3")
    for prefix in ("lake/bars/", "lake/metrics/"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="stock-assets", Prefix=prefix)
        for page in pages:
            for each in page.get("Contents", ()):
                client.delete_object(Bucket="stock-assets", Key=each["Key"])


def recover(stack: Stack, settings: Settings, own: dict[str, str], dagster: Dagster) -> str:
    """Kill each container once; then everything is well, a session is built, and every offset is still accounted for."""
    names = list(stack.containers())
    back = 0
    for name in names:
        try:
            say(f"{name} was killed, and well again after {stack.kill(name):.0f} s")
            stack.wait_healthy()
            back += 1
        except RuntimeError as lost:
            say(str(lost))
    took = dagster.backfill(BUILT_ASSETS, [str(max(_days(settings)))])
    say(f"a session was built afterwards in {took:.0f} s")
    proved = subprocess.run(
        [COMMAND, "verify"], env={**os.environ, **own}, cwd=PROJECT, check=False, capture_output=True
    )
    return f"recovered {back if proved.returncode == 0 else 0}/{len(names)}"
