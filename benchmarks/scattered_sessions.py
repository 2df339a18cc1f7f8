"""Bars of one symbol on the 52 Fridays of a year -> rows in the warehouse, and how many builds that took.

Kafka, Spark, PostgreSQL, the warehouse and Dagster are the embedded ones, warm: the symbol's other sessions went the whole way
before. While the build runs, a bar of one more symbol arrives.

Run: python benchmarks/scattered_sessions.py
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, date, datetime

from own_services import cpu_seconds, machine, own_services

from stock_assets.domain.messages import Bar, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.local.services import ALL
from stock_assets.settings.platform import Settings

DAYS = sessions_between(date(2018, 1, 2), date(2018, 12, 31))
FRIDAYS = [day for day in DAYS if day.weekday() == 4]
LIMIT_S = 20.0
TOPIC_LOOK_S = 0.2


def bar(symbol: str, day: date, close: float) -> Bar:
    return Bar(
        symbol=symbol, interval="1d", trading_day=day, start_time=instant(session(day).open_time), open=100.0, high=110.0,
        low=90.0, close=close, volume=1000, currency="USD", price_basis="as_traded", final=True, source="yahoo",
        known_at=instant(datetime.now(UTC)),
    )  # fmt: skip


def main() -> None:
    """Start everything, warm it up, measure, print the table."""
    os.environ |= {"FIRST_SESSION": DAYS[0].isoformat(), "DBT_EXECUTABLE": "/no-dbt", "SERVING": "off"}
    with own_services(
        [name for name in ALL if name not in ("collector", "dashboard", "metrics", "alerts")]
    ) as settings:
        measure(settings)


def measure(settings: Settings) -> None:
    """Publish, wait, and tell how long it took."""
    from stock_assets.defs.runs import wait_for_main_job
    from stock_assets.topic.publish import publish
    from stock_assets.topic.topics import create_topics

    create_topics(settings.broker, settings.kafka.partitions)
    for close in (100.0, 101.0):  # a second time, as the first build of a new Spark is a cold one
        since = datetime.now(UTC)
        publish(settings.broker, [bar("WARM", day, close) for day in DAYS])
        wait_for_main_job(settings, since)
    before, since, began = cpu_seconds(settings), datetime.now(UTC), time.monotonic()
    publish(settings.broker, [bar("FRI", day, 100.0) for day in FRIDAYS])
    late: dict[str, float] = {}
    watching = threading.Thread(target=arrive_meanwhile, args=(settings, since, late))
    watching.start()
    landed = wait_for_rows(settings, "FRI", len(FRIDAYS)) - began
    watching.join()
    done = wait_for_main_job(settings, since)
    cpu = cpu_seconds(settings) - before
    builds = [round(seconds, 1) for job, seconds in done.runs if job == "build"]
    print(
        f"\n52 Fridays of one symbol beside {len(DAYS)} sessions of another, {datetime.now(UTC):%Y-%m-%d}, {machine()}"
    )
    print(f"{'published -> all in the warehouse':<52}{landed:>8.1f} s   limit {LIMIT_S:.0f} s")
    print(f"{'a bar that came while they were built, the same':<52}{late['seconds']:>8.1f} s")
    print(f"{'   of it after the build it met had ended':<52}{late['after']:>8.1f} s   limit {LIMIT_S:.0f} s")
    print(f"{'builds, and seconds of each from request to end':<52}{len(builds):>8}     {builds}")
    print(f"{'CPU-seconds of all services':<52}{cpu:>8.1f}")


def arrive_meanwhile(settings: Settings, since: datetime, late: dict[str, float]) -> None:
    """Publish one more bar as soon as a build has started."""
    import dagster as dg

    from stock_assets.topic.publish import publish

    with dg.DagsterInstance.get() as instance:
        wanted = dg.RunsFilter(job_name="build", created_after=since)
        while not (found := instance.get_run_records(wanted)) or found[0].start_time is None:
            time.sleep(TOPIC_LOOK_S)
        began = time.monotonic()
        publish(settings.broker, [bar("LATE", FRIDAYS[10], 100.0)])
        ended = wait_for_rows(settings, "LATE", 1)
        first = instance.get_run_record_by_id(found[-1].dagster_run.run_id)
        assert first is not None and first.end_time is not None
        late |= {"seconds": ended - began, "after": time.time() - first.end_time - (time.monotonic() - ended)}


def wait_for_rows(settings: Settings, symbol: str, count: int) -> float:
    """The instant at which the warehouse holds so many sessions of a symbol."""
    from stock_assets.warehouse.connect import connect

    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT COUNT(*) FROM DAILY_STOCK_METRICS WHERE SYMBOL = %s", (symbol,))
            if cursor.fetchall()[0][0] == count:
                return time.monotonic()
            time.sleep(TOPIC_LOOK_S)


if __name__ == "__main__":
    main()
