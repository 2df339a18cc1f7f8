"""Databases for BI tools on a running PostgreSQL, each a test's own, and rows for them."""

from __future__ import annotations

import re
import subprocess
import uuid
from pathlib import Path
from urllib.parse import quote

import psycopg

from stock_assets.local import postgres
from stock_assets.settings.platform import Settings
from stock_assets_tests.checkout import PROJECT

REPORTS = PROJECT / "docs" / "bi.md"
MANY_SYMBOLS, MANY_DAYS = 60, 1_000
"""Rows enough for PostgreSQL to prefer an index where there is one."""
FILLED = """
INSERT INTO serving.loads (run_id) VALUES ('');
INSERT INTO serving.stocks SELECT 'S' || s, '1900-01-01', '9999-12-31', 'S' || s, 'Fictional ' || s, 'NYSE',
    'Sector ' || s % 5, 'none', 'USD', 1 FROM generate_series(1, {symbols}) s;
INSERT INTO serving.stocks VALUES ('AAPL', '1900-01-01', '9999-12-31', 'AAPL', 'Fictional Apple', 'NYSE', 'Sector 1', 'none', 'USD', 1);
INSERT INTO serving.adjustments SELECT symbol, 'any', '1900-01-01', date '2023-06-01', 0.5, 0.98, 1 FROM serving.stocks;
INSERT INTO serving.adjustments SELECT symbol, 'any', '2023-06-02', '9999-12-31', 1, 1, 1 FROM serving.stocks;
SELECT setseed(0.4);
CREATE TEMPORARY TABLE days AS SELECT d::date AS day, row_number() OVER (ORDER BY d) AS n
    FROM generate_series(date '2020-01-01', date '2020-01-01' + {days}, interval '1 day') d;
INSERT INTO serving.daily_prices SELECT symbol, day, symbol, 'yahoo', c, c * 1.01, c * 0.99, c, round(1e6 * (0.5 + random())::numeric), c,
    'USD', 'any', 1 FROM (SELECT symbol, day, round((100 + 20 * sin(n / 90.0 + length(symbol)) + n / 20.0)::numeric
    * CASE WHEN day <= '2023-06-01' THEN 2 ELSE 1 END, 2) AS c FROM serving.stocks, days) p;
INSERT INTO serving.daily_metrics (symbol, trading_day, change_percent, day_range, sma_50, sma_200, average_volume_20, load_id)
    SELECT symbol, trading_day, round((random() * 4 - 2)::numeric, 2), high - low, close * 0.98, close * 0.95, 1e6, 1 FROM serving.daily_prices;
INSERT INTO serving.availability SELECT symbol, trading_day,
    CASE WHEN random() < 0.9 THEN 'available' ELSE 'partial' END, 'bars of 380 of 390 minutes', 1 FROM serving.daily_prices;
INSERT INTO serving.runs SELECT 'run' || n, CASE WHEN n % 3 = 0 THEN 'drain' ELSE 'build' END,
    CASE WHEN n % 17 = 0 THEN 'failure' ELSE 'success' END, now() - n * interval '1 hour', now() - n * interval '1 hour' + interval '2 s',
    now() - n * interval '1 hour' + (10 + n % 20) * interval '1 s', '', '', 1 FROM generate_series(1, 2000) n;
ANALYZE;
"""


def create_database(settings: Settings) -> str:
    """A new, empty database of the loader's; its URL, as SERVING_DATABASE_URL takes it."""
    name = f"t{uuid.uuid4().hex[:12]}"
    passwords = quote(str(settings.postgres_passwords))
    place = f"127.0.0.1:{settings.local.postgres_port}"
    with psycopg.connect(f"postgresql://postgres@{place}/postgres?passfile={passwords}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER loader".encode())
    return f"postgresql://loader@{place}/{name}?passfile={passwords}"


def schema_of(url: str) -> str:
    """All that is in a database but rows, as pg_dump writes it."""
    program = postgres.binary("pg_dump")
    done = subprocess.run([str(program), "--schema-only", url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def fill(connection: psycopg.Connection) -> None:
    """Rows of fictional symbols, and of AAPL, in every table that the reports read; needs the years 2020 to 2022."""
    text = FILLED.format(symbols=MANY_SYMBOLS, days=MANY_DAYS)
    connection.execute(text.encode())


def reports(page: Path = REPORTS) -> dict[str, str]:
    """The queries of the page's reports, by the name of their picture."""
    text = page.read_text().partition("## Four reports")[2].partition("## A server")[0]
    return {
        name: query for query, name in re.findall(r"```sql\n(.*?)```\s+!\[[^]]*]\(bi/(\w+)\.png\)", text, re.DOTALL)
    }
