"""bars of 52 Fridays, and a tick that arrives during their build -> seconds until each is in the warehouse.

Belongs here: a warm platform with a year of another symbol, and what sensors make of sessions that do not follow each other.
Run it alone on the machine: ``.venv/bin/python benchmarks/scattered_sessions.py``.
Does not belong here: limits as tests (timings are no tests).
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from own_services import cpu_seconds, machine, own_services

from stock_assets.defs.jobs import BUILD
from stock_assets.defs.pacing import in_flight
from stock_assets.defs.runs import wait_for_main_job
from stock_assets.domain.messages import Bar, Tick, instant
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.local.services import ALL
from stock_assets.settings.platform import Settings
from stock_assets.topic.publish import publish
from stock_assets.topic.topics import create_topics
from stock_assets.warehouse.connect import connect

DAYS = sessions_between(date(2018, 1, 2), date(2018, 12, 31))
WARM, SCATTERED = "AAPL", "IBM"
FRIDAYS = [day for day in DAYS if day.weekday() == 4]
BUILD_LIMIT_S, TICK_LIMIT_S = 20, 20


def main() -> None:
    """Warm up, publish, wait, and print a table."""
    services = [name for name in ALL if name not in ("collector", "dashboard")]
    with own_services(services, FIRST_SESSION=DAYS[0].isoformat()) as settings:
        create_topics(settings.broker, settings.kafka.partitions)
        began = datetime.now(UTC)
        publish(settings.broker, [bar(WARM, day) for day in DAYS])
        wait_for_main_job(settings, began)
        with dg.DagsterInstance.get() as instance:
            measure(settings, instance)
    print(machine())


def measure(settings: Settings, instance: dg.DagsterInstance) -> None:
    """Both waits, and how many builds there were."""
    began, since, cpu = time.perf_counter(), datetime.now(UTC), cpu_seconds(settings)
    publish(settings.broker, [bar(SCATTERED, day) for day in FRIDAYS])
    while in_flight(instance, BUILD.name) is None:
        time.sleep(0.1)
    opened = session(DAYS[-1]).open_time + timedelta(minutes=5)
    tick = Tick(
        symbol=SCATTERED,
        event_time=instant(opened),
        price=100.5,
        currency="USD",
        source="simulator",
        event_id="1",
        size=100,
    )
    publish(settings.broker, [tick])
    told = time.perf_counter()
    wait_until(settings, FRIDAYS[-1])
    bars_s = time.perf_counter() - began
    wait_until(settings, DAYS[-1])
    tick_s = time.perf_counter() - told
    wait_for_main_job(settings, since)
    builds = [
        (record.end_time or 0) - (record.start_time or 0)
        for record in instance.get_run_records(dg.RunsFilter(job_name=BUILD.name, created_after=since), ascending=True)
    ]
    print(f"{'':44}{'ours s':>10}{'limit s':>10}")
    print(f"{f'{len(FRIDAYS)} Fridays, from publishing to the warehouse':44}{bars_s:>10.1f}{BUILD_LIMIT_S:>10}")
    print(f"{'their build':44}{builds[0]:>10.1f}{'':>10}")
    print(f"{'a tick published during it':44}{tick_s:>10.1f}{builds[0] + TICK_LIMIT_S:>10.1f}")
    print(
        f"builds: {len(builds)} ({', '.join(f'{took:.1f} s' for took in builds)}); CPU-s: {cpu_seconds(settings) - cpu:.0f}"
    )


def wait_until(settings: Settings, day: date) -> None:
    """Return when the warehouse has the symbol's row of a session."""
    with connect(settings.snowflake) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute(
                f"SELECT COUNT(*) FROM DAILY_STOCK_METRICS WHERE SYMBOL = '{SCATTERED}' AND TRADING_DAY = %s",
                (day.isoformat(),),
            )
            if cursor.fetchall()[0][0]:
                return
            time.sleep(0.2)


def bar(symbol: str, day: date) -> Bar:
    """A day of a symbol."""
    close = 100.0 + day.day
    return Bar(
        symbol=symbol, interval="1d", trading_day=day, start_time=instant(session(day).open_time), open=close, high=close + 1,
        low=close - 1, close=close, volume=1_000, currency="USD", price_basis="as_traded", final=True, source="yahoo",
        known_at=instant(session(day).close_time + timedelta(hours=1)),
    )  # fmt: skip


if __name__ == "__main__":
    main()
