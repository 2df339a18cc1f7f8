"""10 symbols x 250 sessions at a vendor -> rows in the warehouse: seconds of each stage.

The real yfinance asks a fake Yahoo on loopback; Kafka, Spark Connect and the warehouse are the embedded ones, warm: a
first process has taken one small symbol the whole way. The measured process is a new one, so its imports count; the runs
are those of the running Dagster, as in the demo.

Run: python benchmarks/main_job.py
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from own_services import cpu_seconds, machine, own_services

from stock_assets.domain.sessions import sessions_between
from stock_assets.local.services import ALL
from stock_assets_tests.fakes.fake_yahoo import fake_yahoo
from stock_assets_tests.fakes.yahoo_answers import DailyBar, Listing

if TYPE_CHECKING:
    import dagster as dg

    from stock_assets.settings.platform import Settings

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data" / "eqker"
SYMBOLS = ["AAPL", "AMZN", "BAC", "JPM", "MSFT", "QQQ", "SBUX", "SPY", "TSLA", "V"]
DAYS = sessions_between(date(2018, 1, 2), date(2019, 2, 15))[-250:]
WARM_SYMBOL, WARM_DAYS = "WARM", DAYS[:5]

REFERENCE = {"fetch": 13.0, "publish": 6.0, "drain": None, "build": 25.0, "load": 2.0, "other": 1.0}
REFERENCE_TOTAL_S = 47.0
"""Seconds of the system this one is measured against, on its own machine: fetch, to Kafka, Spark, warehouse, the rest."""
LIMIT_S = 10.0


@dataclass
class Stopwatch:
    """Wall and CPU seconds of this process, by label, in order."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, label: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[label], self.cpu[label] = time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Start everything, warm it up, measure, print the table."""
    with tempfile.TemporaryDirectory() as folder, fake_yahoo(Path(folder)) as yahoo:
        label = "recorded daily bars" if RECORDED.is_dir() else "random walks"
        yahoo.listings.update({symbol: Listing(_bars(symbol, DAYS)) for symbol in SYMBOLS})
        yahoo.listings[WARM_SYMBOL] = Listing(_walk(WARM_SYMBOL, WARM_DAYS))
        os.environ |= {
            "YAHOO_PROXY": yahoo.proxy,
            "YAHOO_CA_BUNDLE": str(yahoo.ca_bundle),
            "FIRST_SESSION": DAYS[0].isoformat(),
            # the job ends with the warehouse; what follows a load would still follow the warm-up's
            "DBT_EXECUTABLE": f"{folder}/no-dbt",
            "SERVING": "off",
        }
        # nobody looks at pages here, and who collects for them takes part of the two processors
        with own_services([name for name in ALL if name not in ("collector", "dashboard", "metrics", "alerts")]):
            _in_a_process_of_its_own([WARM_SYMBOL], WARM_DAYS)
            asked = len(yahoo.asked_history())
            result = _in_a_process_of_its_own(SYMBOLS, DAYS)
            result["requests"] = len(yahoo.asked_history()) - asked
    _show(result, label)


def _in_a_process_of_its_own(symbols: list[str], days: list[date]) -> dict[str, Any]:
    environment = os.environ | {"SYMBOLS": ",".join(symbols)}
    command = [sys.executable, __file__, days[0].isoformat(), days[-1].isoformat()]
    with tempfile.NamedTemporaryFile() as answer:
        subprocess.run([*command, answer.name], check=True, env=environment, stdout=sys.stderr)
        found: dict[str, Any] = json.loads(Path(answer.name).read_text())
    return found


def job(first: date, last: date, answer: Path) -> None:
    """The measured process: everything from the vendor to the warehouse."""
    began, watch = time.perf_counter(), Stopwatch()
    with watch.measure("start"):
        import dagster as dg

        from stock_assets.defs.holdings import holdings
        from stock_assets.defs.runs import wait_for_main_job
        from stock_assets.settings.platform import Settings

        settings = Settings.load()
    since = datetime.now(UTC)
    fetched, published = _fetch_and_publish(settings, first, last, watch)
    before = cpu_seconds(settings)
    with watch.measure("runs"):
        done = wait_for_main_job(settings, since)
    total = time.perf_counter() - began
    services_cpu = cpu_seconds(settings) - before
    with watch.measure("as an asset"), dg.DagsterInstance.get() as instance:
        _fetch_as_asset(settings, instance, first, last)
    answer.write_text(
        json.dumps(
            {
                "wall": watch.wall,
                "cpu": watch.cpu,
                "total": total,
                "services_cpu": services_cpu,
                "runs": done.runs,
                "fetched": fetched,
                "published": published,
                "stages": [
                    [name, held.sessions, held.rows, done.seconds.get(name, 0.0)]
                    for name, held in holdings(settings).items()
                ],
                "checks": done.checks_passed,
                "failed_checks": done.failed_checks,
                "in_warehouse": _warehouse_rows(settings),
            }
        )
    )


def _fetch_and_publish(settings: Settings, first: date, last: date, watch: Stopwatch) -> tuple[int, int]:
    """What the asset ``sources/history`` does, in two parts; records fetched and published."""
    with watch.measure("fetch"):
        import yfinance

        from stock_assets.sources.yahoo import fetch_history
        from stock_assets.sources.yahoo_session import http_session

        yfinance.set_tz_cache_location(str(settings.local_dir / "yfinance" / str(os.getpid())))
        session = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
        fetched = [m for s in settings.symbols for m in fetch_history(s, first, last, session).messages]
    with watch.measure("publish"):
        from stock_assets.raw.known import Known
        from stock_assets.topic.publish import publish
        from stock_assets.topic.topics import create_topics

        create_topics(settings.broker, settings.kafka.partitions)
        done = publish(settings.broker, Known(settings.lake_root).new(fetched))
    return len(fetched), done.total


def _fetch_as_asset(settings: Settings, instance: dg.DagsterInstance, first: date, last: date) -> None:
    """The same once more through Dagster, as one range of sessions; it finds nothing new."""
    import dagster as dg

    from stock_assets.defs.partitions import session_partitions
    from stock_assets.defs.resources import resources
    from stock_assets.defs.vendor_history import vendor_history

    given = resources(settings)
    dg.materialize(
        [vendor_history(session_partitions(settings.dagster.first_session), settings)],
        instance=instance,
        resources={name: given[name] for name in ("lake", "kafka")},
        tags={
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        },
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def _warehouse_rows(settings: Settings) -> int:
    from stock_assets.warehouse.connect import connect

    place = settings.snowflake
    symbols = ", ".join(f"'{symbol}'" for symbol in settings.symbols)
    with connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {place.database}.{place.schema}.DAILY_STOCK_METRICS WHERE SYMBOL IN ({symbols})"
        )
        row: Any = cursor.fetchone()
    return int(row[0])


def _show(result: dict[str, Any], label: str) -> None:
    seconds = {asset: spent for asset, _, _, spent in result["stages"]}
    load = sum(spent for asset, spent in seconds.items() if asset.startswith("warehouse"))
    wall, cpu = result["wall"], result["cpu"]
    runs = {job: sum(spent for name, spent in result["runs"] if name == job) for job in ("drain", "build")}
    own_cpu = sum(cpu[label] for label in ("start", "fetch", "publish", "runs"))
    ours = {
        "process start": (wall["start"], cpu["start"], REFERENCE["other"]),
        "fetch (real yfinance)": (wall["fetch"], cpu["fetch"], REFERENCE["fetch"]),
        "publish to Kafka": (wall["publish"], cpu["publish"], REFERENCE["publish"]),
        "drain into the lake": (runs["drain"], None, REFERENCE["drain"]),
        "bars, metrics, checks": (runs["build"] - load, None, REFERENCE["build"]),
        "load into the warehouse": (load, None, REFERENCE["load"]),
        "total": (result["total"], own_cpu + result["services_cpu"], REFERENCE_TOTAL_S),
    }
    print(
        f"\nmain job: {len(SYMBOLS)} symbols x {len(DAYS)} sessions, {label}, {datetime.now(UTC):%Y-%m-%d}, {machine()}"
    )
    print(f"{'stage':<30}{'seconds':>9}{'CPU-s':>8}{'reference':>11}   (the total's CPU is of all processes)")
    for stage, (spent, cpu_s, reference) in ours.items():
        shown = [
            f"{spent:.2f}",
            "" if cpu_s is None else f"{cpu_s:.2f}",
            "" if reference is None else f"{reference:.0f}",
        ]
        print(f"{stage:<30}{shown[0]:>9}{shown[1]:>8}{shown[2]:>11}")
    print(f"limit {LIMIT_S:.0f} s: {'met' if result['total'] <= LIMIT_S else 'MISSED'}\n")
    print(f"{'asset of a run':<34}{'sessions':>9}{'rows':>8}{'seconds':>9}")
    for asset, sessions, rows, spent in result["stages"]:
        print(f"{asset:<34}{sessions:>9}{rows:>8}{spent:>9.2f}")
    print(
        f"\nfetched {result['fetched']:,} records in {result['requests'] // 2} requests for history, "
        f"published {result['published']:,}, in the warehouse {result['in_warehouse']:,} rows, "
        f"checks passed {result['checks']}"
    )
    for failed in result["failed_checks"]:
        print(f"check not passed: {failed}")
    print(f"fetch and publish once more, as the Dagster asset over the range: {wall['as an asset']:.2f} s")


def _bars(symbol: str, days: list[date]) -> list[DailyBar]:
    file = RECORDED / f"{symbol}_daily.csv"
    if not file.is_file():
        return _walk(symbol, days)
    with file.open(newline="") as lines:
        rows = {date.fromisoformat(row["datetime"]): row for row in csv.DictReader(lines)}
    names = ("open", "high", "low", "close")
    return [DailyBar(day, *(float(rows[day][name]) for name in names), volume=int(rows[day]["volume"])) for day in days]


def _walk(symbol: str, days: list[date]) -> list[DailyBar]:
    chance, price, bars = random.Random(symbol), 100.0, []
    for day in days:
        close = round(price * (1 + chance.gauss(0, 0.015)), 2)
        bars.append(DailyBar(day, price, max(price, close) + 0.5, min(price, close) - 0.5, close, 1_000_000))
        price = close
    return bars


if __name__ == "__main__":
    if len(sys.argv) > 1:
        job(date.fromisoformat(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
