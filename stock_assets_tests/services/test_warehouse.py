"""Loading into the running stand-in with the real connector: what changes, what does not, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from typer.testing import CliRunner

from stock_assets.cli import app
from stock_assets.defs.resources import Warehouse
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.settings.warehouse import Snowflake
from stock_assets.warehouse import load
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.load import LoadReport, load_range, load_sessions
from stock_assets.warehouse.set_up import set_up
from stock_assets.warehouse.verify import altered_sessions, differences
from stock_assets_tests.unit.test_sign_in import key_file
from stock_assets_tests.unit.test_warehouse_sql import metrics

ORIGIN = Origin("run", 3)
FIRST, SECOND, THIRD = date(2024, 3, 1), date(2024, 3, 4), date(2024, 3, 5)


def row(symbol: str, day: date, close: str = "10.5", **more: object) -> dict[str, object]:
    return {"symbol": symbol, "trading_day": day, "close": Decimal(close), **more}


THREE = [row("A", FIRST), row("A", SECOND), row("B", FIRST, volume=7)]


@pytest.fixture
def connection(warehouse: Snowflake) -> Iterator[SnowflakeConnection]:
    """A connection to an empty DAILY_STOCK_METRICS."""
    with connect(warehouse) as opened:
        set_up(opened, warehouse)
        opened.cursor().execute("DELETE FROM DAILY_STOCK_METRICS")
        opened.cursor().execute("DELETE FROM LOAD_AUDIT")
        yield opened


def ask(connection: SnowflakeConnection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(each) for each in cursor.fetchall()]


def stored(connection: SnowflakeConnection) -> list[tuple[object, ...]]:
    return ask(connection, "SELECT SYMBOL, TRADING_DAY, CLOSE FROM DAILY_STOCK_METRICS ORDER BY 1, 2")


def tables(connection: SnowflakeConnection) -> list[str]:
    return [name for (name,) in ask(connection, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")]


def load_rows(connection: SnowflakeConnection, rows: list[dict[str, object]]) -> LoadReport:
    return load_range(connection, metrics(*rows), DAILY_METRICS, FIRST, SECOND, ORIGIN)


def test_a_first_load_inserts_and_a_rerun_changes_nothing(connection: SnowflakeConnection) -> None:
    assert load_rows(connection, THREE) == LoadReport(staged=3, inserted=3, updated=0, deleted=0, unchanged=0)
    before = stored(connection)
    assert before == [("A", FIRST, Decimal("10.5")), ("A", SECOND, Decimal("10.5")), ("B", FIRST, Decimal("10.5"))]
    assert load_rows(connection, THREE) == LoadReport(staged=3, inserted=0, updated=0, deleted=0, unchanged=3)
    assert stored(connection) == before


def test_only_rows_whose_values_differ_are_updated(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    changed = [row("A", FIRST, "10.500001"), row("A", SECOND, revision=9), row("B", FIRST, volume=None)]
    report = load_rows(connection, changed)
    assert report == LoadReport(staged=3, inserted=0, updated=2, deleted=0, unchanged=1)
    assert differences(connection, metrics(*changed), DAILY_METRICS, FIRST, SECOND) == []


def test_rows_that_left_the_source_are_deleted_within_range_and_symbols(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    load_range(connection, metrics(row("A", THIRD)), DAILY_METRICS, THIRD, THIRD, ORIGIN)
    only_a = load_range(connection, metrics(row("A", FIRST)), DAILY_METRICS, FIRST, SECOND, ORIGIN, symbols=["A"])
    assert only_a.deleted == 1
    assert [each[:2] for each in stored(connection)] == [("A", FIRST), ("A", THIRD), ("B", FIRST)]
    assert load_rows(connection, [row("A", FIRST)]).deleted == 1  # without symbols, a vanished one goes too
    assert [each[:2] for each in stored(connection)] == [("A", FIRST), ("A", THIRD)]


def test_scattered_sessions_are_one_load_that_leaves_those_between_them_alone(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    load_range(connection, metrics(row("A", THIRD)), DAILY_METRICS, THIRD, THIRD, ORIGIN)
    report = load_sessions(connection, metrics(row("A", FIRST, "99")), DAILY_METRICS, [FIRST, THIRD], ORIGIN)
    assert report == LoadReport(staged=1, inserted=0, updated=1, deleted=2, unchanged=0)
    assert stored(connection) == [("A", FIRST, Decimal(99)), ("A", SECOND, Decimal("10.5"))]
    with pytest.raises(PermanentError, match=f"Rows of {SECOND} are not of the sessions"):
        load_sessions(connection, metrics(row("A", SECOND)), DAILY_METRICS, [FIRST, THIRD], ORIGIN)


def test_a_failed_load_leaves_rows_and_no_staging_table(
    connection: SnowflakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rows(connection, THREE)
    before = stored(connection)
    good = load.merge_sql
    monkeypatch.setattr(load, "merge_sql", lambda *arguments: good(*arguments).replace("s.CLOSE", "s.NO_SUCH"))
    with pytest.raises(ProgrammingError, match="NO_SUCH"):  # after the DELETE, within the transaction
        load_rows(connection, [row("A", FIRST, "99")])
    assert stored(connection) == before
    assert [name for name in tables(connection) if "STAGING" in name] == []
    monkeypatch.undo()
    assert load_rows(connection, THREE).unchanged == 3


def test_staging_tables_of_killed_loads_are_dropped_when_old(connection: SnowflakeConnection) -> None:
    old, young = (
        "DAILY_STOCK_METRICS_STAGING_20200101000000_0123456789AB",
        "DAILY_STOCK_METRICS_STAGING_20990101000000_0123456789AB",
    )
    for name in (old, young):
        connection.cursor().execute(f"CREATE TRANSIENT TABLE {name} (X INTEGER)")
    load_rows(connection, THREE)
    names = tables(connection)
    connection.cursor().execute(f"DROP TABLE {young}")
    assert (old in names, young in names) == (False, True)


def test_a_difference_is_found_and_named(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    lake = metrics(row("A", FIRST), row("A", SECOND, "10.500001"))
    found = [str(each) for each in differences(connection, lake, DAILY_METRICS, FIRST, SECOND)]
    assert f"{FIRST} rows: lake 1, warehouse 2" in found
    assert f"{SECOND} sum of close: lake 10.500001, warehouse 10.500000" in found
    assert len([each for each in found if each.startswith(str(SECOND))]) == 1


def test_sums_are_exact(connection: SnowflakeConnection) -> None:
    load_rows(connection, [row("A", FIRST, "0.1"), row("B", FIRST, "0.2")])
    assert ask(connection, "SELECT SUM(CLOSE) FROM DAILY_STOCK_METRICS") == [(Decimal("0.3"),)]


def test_null_timestamps_stay_null(connection: SnowflakeConnection) -> None:
    sql = "SELECT TO_TIMESTAMP_NTZ('2024-03-01 09:30:00') AS T UNION ALL SELECT NULL ORDER BY 1"
    assert [each is None for (each,) in ask(connection, sql)] == [False, True]


def test_a_wrong_statement_fails_instead_of_being_tried_for_minutes(connection: SnowflakeConnection) -> None:
    for sql in ("SELECT * FROM NO_SUCH_TABLE", "SELECT 1 +", "SELECT CAST('x' AS INTEGER)"):
        with pytest.raises(ProgrammingError):
            connection.cursor().execute(sql)


def test_data_survives_a_restart(connection: SnowflakeConnection, services: Services, warehouse: Snowflake) -> None:
    load_rows(connection, THREE)
    before = stored(connection)
    services.stop(["warehouse"])
    services.up(["warehouse"])
    with connect(warehouse) as again:
        assert stored(again) == before
        assert load_rows(again, THREE).unchanged == 3  # stage and file format were forgotten, and are made again


def test_what_a_dead_client_left_open_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from stock_assets.local import warehouse_server as server

    class Session:
        _in_transaction = True
        rolled_back = 0

        @property
        def _duck_conn(self) -> Session:
            return self

        def rollback(self) -> None:
            self.rolled_back += 1

    clock, dead, living = [0.0], Session(), Session()
    monkeypatch.setattr("stock_assets.local.warehouse_server.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("fakesnow.server.sessions", {"dead": dead, "living": living})
    abandoned = server.Abandoned()
    with abandoned.request("dead"):
        pass
    with abandoned.request("living"):
        clock[0] = server.ABANDONED_AFTER_S + 1
        with abandoned.request("other"):
            pass
    assert (dead.rolled_back, dead._in_transaction, living.rolled_back) == (1, False, 0)


def test_a_key_signs_in(warehouse: Snowflake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in takes anybody; the real connector and Dagster's resource make something of the key before."""
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PATH", key_file(tmp_path, "open"))
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "open")
    with Warehouse().connect({"run": "r"}) as opened:
        assert ask(opened, "SELECT 1") == [(1,)]
    with connect(Settings.load().snowflake) as opened:
        assert ask(opened, "SELECT 1") == [(1,)]


def test_an_account_is_set_up_by_one_command(warehouse: Snowflake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_DATABASE", "ANEW")
    printed = CliRunner().invoke(app, ["warehouse", "setup", "--print"])
    assert printed.exit_code == 0 and "CREATE DATABASE IF NOT EXISTS ANEW;" in printed.output
    assert "CREATE TABLE IF NOT EXISTS DAILY_STOCK_METRICS" in printed.output
    for _ in range(2):  # what exists stays
        done = CliRunner().invoke(app, ["warehouse", "setup"])
        assert done.exit_code == 0, done.exception
        assert done.output.splitlines()[-1].endswith("/anew.public is ready")
    with connect(Settings.load().snowflake) as opened:
        assert {"DAILY_STOCK_METRICS", "LOAD_AUDIT"} <= set(tables(opened))


def test_what_is_missing_and_may_not_be_made_is_told(warehouse: Snowflake, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(warehouse) as opened:
        execute = SnowflakeCursor.execute

        def without_rights(self: SnowflakeCursor, command: str, *given: Any, **named: Any) -> Any:
            if "LACKING" in command:
                raise ProgrammingError("Insufficient privileges to operate on account")
            return execute(self, command, *given, **named)

        monkeypatch.setattr(SnowflakeCursor, "execute", without_rights)
        lacking = replace(warehouse, database="LACKING")
        said = "SCHEMA LACKING.PUBLIC is missing .* `stock-assets warehouse setup` once"
        with pytest.raises(PermanentError, match=said):
            set_up(opened, lacking)


def audited(connection: SnowflakeConnection) -> list[tuple[object, ...]]:
    return ask(
        connection,
        "SELECT RUN_ID, TABLE_NAME, LAKE_VERSION, TRADING_DAY, ROWS_BEFORE, ROWS_AFTER FROM LOAD_AUDIT ORDER BY LOADED_AT, 4",
    )


def test_each_load_tells_what_it_did_to_its_sessions(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    load_rows(connection, THREE[:1])
    about = ("run", "DAILY_STOCK_METRICS", 3)
    assert audited(connection) == [
        (*about, FIRST, 0, 2), (*about, SECOND, 0, 1), (*about, FIRST, 2, 1), (*about, SECOND, 1, 0)
    ]  # fmt: skip


def test_a_load_that_fails_is_not_audited(connection: SnowflakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError("gone")

    load_rows(connection, THREE)
    monkeypatch.setattr("stock_assets.warehouse.load.audit.record", fail)
    with pytest.raises(ConnectionError):
        load_rows(connection, THREE[:1])
    assert len(stored(connection)) == 3 and len(audited(connection)) == 2


def test_sessions_that_were_altered_in_the_warehouse_are_found(connection: SnowflakeConnection) -> None:
    load_rows(connection, THREE)
    lake = metrics(*THREE)
    assert altered_sessions(connection, lake, DAILY_METRICS, {FIRST, SECOND}) == []
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM DAILY_STOCK_METRICS WHERE SYMBOL = 'B'")
        cursor.execute(f"UPDATE DAILY_STOCK_METRICS SET CLOSE = CLOSE + 1 WHERE TRADING_DAY = '{SECOND}'")
    assert altered_sessions(connection, lake, DAILY_METRICS, {FIRST, SECOND}) == [FIRST, SECOND]
    assert altered_sessions(connection, lake.slice(0, 0), DAILY_METRICS, {SECOND}) == [SECOND]
    assert altered_sessions(connection, lake.slice(0, 0), DAILY_METRICS, set()) == []  # another lake's rows stay
