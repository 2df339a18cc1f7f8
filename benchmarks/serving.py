"""500 symbols x 10 years -> seconds of a load for BI tools, and of the four reports, beside the warehouse's stand-in.

Belongs here: measuring what a reader waits for. Run it alone on the machine: ``.venv/bin/python benchmarks/serving.py``.
Does not belong here: limits as tests (timings are no tests).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from own_services import machine, own_services

from stock_assets.serving.connect import connection
from stock_assets.serving.load import load
from stock_assets.serving.migrate import migrate
from stock_assets.serving.tables import Run
from stock_assets.settings.serving import READER
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.set_up import set_up
from stock_assets_tests.fakes.market_lake import sessions_until
from stock_assets_tests.services.serving_database import reports

SYMBOLS, YEARS, REPEATS, LIMIT_S = 500, 10, 7, 0.3
LAST = date(2024, 3, 1)
STAND_IN = {
    "price_trends": "SELECT A.TRADING_DAY, A.ADJUSTED_CLOSE, M.SMA_50, M.SMA_200 FROM STOCK_DAILY_ADJUSTED A "
    "JOIN DAILY_STOCK_METRICS M ON M.SYMBOL = A.SYMBOL AND M.TRADING_DAY = A.TRADING_DAY "
    "WHERE A.SYMBOL = 'AAPL' AND A.TRADING_DAY > '2023-03-02' ORDER BY 1",
    "volume_analysis": "SELECT SYMBOL, VOLUME, AVERAGE_VOLUME_20, VOLUME / AVERAGE_VOLUME_20 FROM DAILY_STOCK_METRICS "
    "WHERE TRADING_DAY = (SELECT MAX(TRADING_DAY) FROM DAILY_STOCK_METRICS) ORDER BY 4 DESC LIMIT 10",
    "data_quality": "SELECT TRADING_DAY, COUNT_IF(AVAILABILITY = 'available') FROM STOCK_AVAILABILITY "
    "WHERE TRADING_DAY > '2024-01-31' GROUP BY 1 ORDER BY 1",
}


def main() -> None:
    """Fill the stand-in, load, ask, and print a table."""
    days = sessions_until(LAST, YEARS)
    with own_services(["postgres", "warehouse"]) as settings, ExitStack() as opened:
        source = opened.enter_context(connect(settings.snowflake))
        cursor = opened.enter_context(source.cursor())
        database = opened.enter_context(connection(settings))
        set_up(source, settings.snowflake)
        fill(cursor, days)
        migrate(database)
        for label in ("first load", "nothing differs"):
            began, cpu = time.perf_counter(), time.process_time()
            changed = load(database, cursor, runs(), "")
            rows = sum(rows for rows, _ in changed.values())
            took, spent = time.perf_counter() - began, time.process_time() - cpu
            print(f"{label}: {rows:,} rows in {took:.1f} s, {spent:.1f} CPU-s of this process")
        ((megabytes,),) = database.execute("SELECT pg_database_size(current_database()) / 1e6").fetchall()
        print(f"database: {megabytes:,.0f} MB\n{'report':18}{'ours s':>10}{'stand-in s':>12}{'limit s':>10}")
        reader = opened.enter_context(connection(settings, READER))
        for name, query in reports().items():
            ours = median(lambda query=query: reader.execute(query.encode()).fetchall())
            peer = STAND_IN.get(name)
            there = f"{median(lambda peer=peer: cursor.execute(peer).fetchall()):.3f}" if peer else "-"
            print(f"{name:18}{ours:>10.3f}{there:>12}{LIMIT_S:>10}")
    print(machine())


def fill(cursor: object, days: list[date]) -> None:
    """Rows of fictional symbols and of AAPL; the stand-in makes them itself."""
    listed = ", ".join(f"('{day}')" for day in days)
    execute = cursor.execute  # type: ignore[attr-defined]
    execute(f"CREATE TEMPORARY TABLE DAYS AS SELECT CAST(COLUMN1 AS DATE) AS DAY FROM VALUES {listed}")
    execute(
        "CREATE TEMPORARY TABLE NAMES AS SELECT CASE WHEN N = 1 THEN 'AAPL' ELSE 'S' || N END AS SYMBOL, N FROM "
        f"(SELECT ROW_NUMBER() OVER (ORDER BY DAY) AS N FROM DAYS) WHERE N <= {SYMBOLS}"
    )
    execute(
        "INSERT INTO STOCKS (SYMBOL, VALID_FROM, VALID_TO, PRESENT_SYMBOL, NAME, EXCHANGE, PRIMARY_MARKET, SECTOR, INDUSTRY, "
        "CURRENCY, SOURCE) SELECT SYMBOL, '1900-01-01', '9999-12-31', SYMBOL, 'Fictional ' || SYMBOL, 'NYSE', 'XNYS', "
        "'Sector ' || MOD(N, 11), 'none', 'USD', 'seed' FROM NAMES"
    )
    execute(
        "INSERT INTO DAILY_STOCK_METRICS (YEAR, SYMBOL, TRADING_DAY, SOURCE, MIXED_SOURCES, OPEN, HIGH, LOW, CLOSE, VOLUME, "
        "VWAP, PREVIOUS_CLOSE, CHANGE, CHANGE_PERCENT, DAY_RANGE, SMA_50, SMA_200, AVERAGE_VOLUME_20, CURRENCY, BARS_USED, "
        "BARS_REVISION, ACTIONS_USED, REVISION) SELECT YEAR(DAY), SYMBOL, DAY, 'yahoo', FALSE, 100 + MOD(N, 50), 110 + MOD(N, 50), "
        "90 + MOD(N, 50), 100 + MOD(N, 50), 1000000 + 1000 * N, 100, 99, 1, 1.01, 20, 100, 100, 1000000, 'USD', 1, 0, 0, 0 "
        "FROM NAMES, DAYS"
    )
    execute(
        "INSERT INTO STOCK_AVAILABILITY (YEAR, TRADING_DAY, SYMBOL, AVAILABILITY, BECAUSE, INPUTS) "
        "SELECT YEAR(DAY), DAY, SYMBOL, 'available', 'bars of 390 of 390 minutes', '{}' FROM NAMES, DAYS"
    )


def runs() -> list[Run]:
    """Runs of the last three months."""
    now = datetime.now(UTC)
    at = [now - timedelta(hours=hours) for hours in range(2_000)]
    return [
        Run(f"run{n}", "build", "success", asked, asked, asked + timedelta(seconds=20), "", "")
        for n, asked in enumerate(at)
    ]


def median(ask: Callable[[], object]) -> float:
    """Seconds of a question, asked some times."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        assert ask()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
