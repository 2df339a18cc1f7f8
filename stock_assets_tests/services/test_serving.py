"""The tables for BI tools: they equal the warehouse's, are replaced by session, and are read-only for readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import errors

from stock_assets.domain.errors import PermanentError, ServiceUnavailable, TransientError
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.warehouse_tables import STOCK_ACTIONS
from stock_assets.local.services import Services
from stock_assets.serving import connect as connecting
from stock_assets.serving.compare import differences
from stock_assets.serving.connect import connection, failures_told
from stock_assets.serving.load import load
from stock_assets.serving.migrate import Migration, migrate, migrations
from stock_assets.settings.platform import Settings
from stock_assets.settings.serving import READER
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.load import load_whole
from stock_assets.warehouse.set_up import ACTIONS, STOCK_LIST, set_up
from stock_assets_tests.services.marts_rows import load_metrics
from stock_assets_tests.services.serving_database import create_database, schema_of
from stock_assets_tests.services.serving_load import load_now

DAYS = sessions_between(date(2023, 12, 20), date(2024, 1, 12))
CLOSES = {(symbol, day): Decimal(100 + n) for n, day in enumerate(DAYS) for symbol in ("AAPL", "JPM")}
SPLIT = date(2024, 1, 5)


@pytest.fixture
def place(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Settings:
    """A schema of the warehouse and a database for BI tools of the test's own, the first filled."""
    services.up(["postgres", "warehouse"])
    for name, value in {
        "SERVING": "on",
        "SERVING_DATABASE_URL": create_database(settings),
        "SNOWFLAKE_SCHEMA": f"SERVED_{abs(hash(request.node.name))}",
    }.items():
        monkeypatch.setenv(name, value)
    own = Settings.load()
    fill(own)
    return own


def fill(settings: Settings, closes: dict[tuple[str, date], Decimal] = CLOSES) -> None:
    """Metrics of two symbols, one of them split in between, into the warehouse."""
    stock = {"valid_from": date(1900, 1, 1), "valid_to": date(9999, 12, 31), "exchange": "NYSE", "primary_market": "XNYS",
             "sector": "Technology", "industry": "Computers", "currency": "USD", "source": "seed"}  # fmt: skip
    listed = [stock | {"symbol": each, "present_symbol": each, "name": f'"{each}", or so'} for each in ("AAPL", "JPM")]
    split = {"symbol": "AAPL", "vendor": "yahoo", "ex_date": SPLIT, "kind": "split", "value": 4.0}
    with connect(settings.snowflake) as opened:
        set_up(opened, settings.snowflake)
        load_metrics(opened, closes, DAYS)
        for name, table, rows in ((STOCK_LIST, STOCKS, listed), (ACTIONS, STOCK_ACTIONS, [split])):
            import pyarrow as pa

            whole = pa.Table.from_pylist(rows, schema=table.arrow_schema())
            load_whole(opened, whole, table, Origin("test", 1), target=name, fingerprint="1")


def asked(settings: Settings, query: str, role: str = "loader") -> list[tuple[Any, ...]]:
    with connection(settings, role) as opened:
        return opened.execute(query.encode()).fetchall()


def difference(settings: Settings) -> dict[str, list[date]]:
    with connection(settings) as database, connect(settings.snowflake) as source, source.cursor() as cursor:
        return differences(database, cursor)


def test_prices_are_those_of_the_warehouse_as_traded_and_adjusted(place: Settings) -> None:
    load_now(place)
    assert difference(place) == {}
    with connect(place.snowflake) as source, source.cursor() as cursor:
        cursor.execute("SELECT SYMBOL, TRADING_DAY, OPEN, ADJUSTED_CLOSE FROM STOCK_DAILY_ADJUSTED ORDER BY 1, 2")
        wanted = cursor.fetchall()
        cursor.execute("SELECT SYMBOL, TRADING_DAY, CLOSE, HIGH, PREVIOUS_CLOSE FROM DAILY_STOCK_METRICS ORDER BY 1, 2")
        traded = cursor.fetchall()
    shown = "SELECT symbol, trading_day, adjusted_open, total_return_close FROM price_trends ORDER BY 1, 2"
    assert asked(place, shown) == wanted
    prices = "SELECT p.symbol, p.trading_day, close, high, previous_close FROM serving.daily_prices p JOIN serving.daily_metrics m"
    assert asked(place, f"{prices} ON m.symbol = p.symbol AND m.trading_day = p.trading_day ORDER BY 1, 2") == traded
    before = {
        row[0]: row[1]
        for row in asked(place, "SELECT symbol, adjusted_close FROM price_trends ORDER BY trading_day DESC")
    }
    assert before == {"AAPL": Decimal(25), "JPM": Decimal(100)}
    assert asked(place, "SELECT DISTINCT company FROM price_trends ORDER BY 1")[0] == ('"AAPL", or so',)


def test_only_what_changed_is_replaced(place: Settings) -> None:
    first = load_now(place)
    assert first["daily_prices"] == (len(CLOSES), len(DAYS))
    assert load_now(place) == {}
    changed = CLOSES | {("JPM", DAYS[-1]): Decimal("77.5")}
    del changed["AAPL", DAYS[-2]]
    fill(place, changed)
    assert [day for day in difference(place)["daily_prices"] if day >= DAYS[-2]] == DAYS[-2:]
    again = load_now(place)
    assert again["daily_prices"] == (3, 2)
    assert difference(place) == {}
    loads = asked(place, "SELECT load_id, count(*) FROM serving.daily_prices GROUP BY 1 ORDER BY 1")
    assert [count for _, count in loads] == [len(CLOSES) - 4, 3]


def test_a_session_that_is_gone_is_removed_and_rows_that_somebody_removed_are_found(place: Settings) -> None:
    load_now(place)
    with connect(place.snowflake) as opened, opened.cursor() as cursor:
        cursor.execute("DELETE FROM DAILY_STOCK_METRICS WHERE TRADING_DAY = %s", (DAYS[-1].isoformat(),))
    load_now(place)
    assert asked(place, "SELECT max(trading_day) FROM price_trends") == [(DAYS[-2],)]
    with connection(place) as served:
        served.execute("DELETE FROM serving.daily_metrics WHERE trading_day = %s", (DAYS[0],))
    assert difference(place) == {"daily_metrics": [DAYS[0]]}


def test_a_load_that_fails_changes_nothing(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    load_now(place)
    fill(place, {key: close + 1 for key, close in CLOSES.items()})
    held = asked(place, "SELECT * FROM price_trends ORDER BY symbol, trading_day")
    with connection(place) as database, connect(place.snowflake) as source, source.cursor() as cursor:
        batches = cursor.fetch_arrow_batches
        sent: list[None] = []

        def cut_off() -> Iterator[Any]:
            sent.append(None)
            if len(sent) == 2:  # prices are there by now, metrics are not
                raise ServiceUnavailable("the warehouse went away")
            yield from batches()

        monkeypatch.setattr(cursor, "fetch_arrow_batches", cut_off)
        with pytest.raises(ServiceUnavailable):
            load(database, cursor, [], "")
    assert len(sent) == 2
    assert asked(place, "SELECT * FROM price_trends ORDER BY symbol, trading_day") == held
    load_now(place)
    assert difference(place) == {}


def test_a_reader_reads_and_nothing_else(place: Settings) -> None:
    load_now(place)
    owner = place.serving_url("loader")
    with psycopg.connect(owner, autocommit=True) as opened:
        opened.execute(f"GRANT CONNECT ON DATABASE {opened.info.dbname} TO bi_reader".encode())
    assert asked(place, "SELECT count(*) FROM price_trends", READER) == [(len(CLOSES),)]
    assert asked(place, "SHOW statement_timeout", READER) == [("1min",)]
    with pytest.raises(PermanentError, match="read-only transaction"):
        asked(place, "DELETE FROM serving.daily_prices RETURNING 1", READER)
    for statement in (
        "DELETE FROM serving.daily_prices",
        "CREATE TABLE serving.own (a int)",
        "DELETE FROM price_trends",
    ):
        with psycopg.connect(place.serving_url(READER), autocommit=True) as opened:
            opened.execute("SET default_transaction_read_only = off")
            with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
                opened.execute(statement.encode())
    for database in ("dagster", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(place.serving_url(READER).replace(owner.split("/")[3].split("?")[0], database))
    with pytest.raises(psycopg.OperationalError, match="no password|authentication failed"):
        psycopg.connect(place.serving_url(READER).split("?")[0], passfile="/nonexistent")


def test_a_reader_in_a_transaction_holds_nobody_back_and_a_lock_is_told(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_now(place)
    fill(place, {key: close + 1 for key, close in CLOSES.items()} | {("JPM", date(2024, 1, 16)): Decimal(5)})
    with psycopg.connect(place.serving_url("loader")) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before = reader.execute("SELECT sum(close) FROM price_trends").fetchall()
        load_now(place)
        assert reader.execute("SELECT sum(close) FROM price_trends").fetchall() == before
    assert asked(place, "SELECT sum(close) FROM price_trends") != before
    monkeypatch.setattr(connecting, "LOCK_TIMEOUT_S", 1)
    fill(place)
    with psycopg.connect(place.serving_url("loader")) as holder:
        holder.execute("LOCK TABLE serving.daily_prices IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TransientError, match="is in use: another session has held a lock for 1 s"):
            load_now(place)
    load_now(place)
    assert difference(place) == {}


@pytest.mark.parametrize("number", range(1, len(migrations())))
def test_a_migrated_schema_equals_a_fresh_one(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    services.up(["postgres"])
    schemas = []
    for applied_before in (migrations()[:number], ()):
        monkeypatch.setenv("SERVING_DATABASE_URL", create_database(settings))
        with connection(Settings.load()) as opened:
            migrate(opened, applied_before)
            assert migrate(opened) == [each.name for each in migrations()[len(applied_before) :]]
            assert migrate(opened) == []
        schemas.append(schema_of(os.environ["SERVING_DATABASE_URL"]))
    assert schemas[0] == schemas[1]
    assert "CREATE VIEW public.price_trends" in schemas[0]


def test_a_database_that_does_not_fit_is_refused(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.up(["postgres"])
    monkeypatch.setenv("SERVING_DATABASE_URL", create_database(settings))
    later = Migration(99, "later", "ALTER TABLE serving.stocks ADD COLUMN country text")
    with connection(Settings.load()) as opened:
        migrate(opened, (*migrations(), later))
        with pytest.raises(PermanentError, match="migration 99, which this release does not know"):
            migrate(opened)
        edited = (*migrations(), Migration(99, "later", "SELECT 1"))
        with pytest.raises(PermanentError, match="0099 .later. was changed after"):
            migrate(opened, edited)
        broken = Migration(100, "broken", "CREATE TABLE serving.half (a int); SELECT 1/0")
        with pytest.raises(errors.DivisionByZero):
            migrate(opened, (*migrations(), later, broken))
        assert opened.execute("SELECT to_regclass('serving.half')").fetchone() == (None,)


def test_every_column_that_people_read_says_what_it_is(place: Settings) -> None:
    load_now(place)
    silent = asked(
        place,
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL",
    )
    assert silent == []


@pytest.mark.parametrize(
    ("raised", "told", "sentence"),
    [
        (errors.DiskFull("could not extend file"), ServiceUnavailable, "has no room left: could not extend file"),
        (errors.AdminShutdown("terminating connection"), ServiceUnavailable, "does not answer: terminating connection"),
        (errors.InsufficientPrivilege("denied"), PermanentError, "refused a statement: denied"),
        (psycopg.OperationalError("password authentication failed"), PermanentError, "refused loader"),
    ],
)
def test_failures_are_sentences(raised: Exception, told: type[Exception], sentence: str) -> None:
    with (
        pytest.raises(told, match=f"serving database at db:5432 {sentence}"),
        failures_told("postgresql://loader@db/serving"),
    ):
        raise raised
