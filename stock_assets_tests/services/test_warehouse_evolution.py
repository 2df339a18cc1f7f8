"""The warehouse's table as commit 998730c made it: set-up makes it today's, also where an earlier set-up was killed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.cursor import SnowflakeCursor

from stock_assets.domain.errors import TableDiffers
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.evolve import evolve
from stock_assets.warehouse.set_up import METRICS, set_up
from stock_assets_tests.upgrade.archive import unpack

OTHERS = [column.name.upper() for column in DAILY_METRICS.columns if column.name != "volume"]


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def cursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeCursor]:
    """Connected to a copy of the old warehouse."""
    from stock_assets_tests.conftest import place

    with pytest.MonkeyPatch.context() as patch:
        settings: Settings = place(patch, tmp_path_factory.mktemp("old"))
        unpack(settings.local_dir)
        services = Services(settings, print)
        try:
            services.up(["warehouse"])
            with connect(settings.snowflake) as connection, connection.cursor() as opened:
                narrow = "SELECT NUMERIC_SCALE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = %s AND COLUMN_NAME = 'VOLUME'"
                assert opened.execute(narrow, (METRICS,)).fetchone() == (0,)  # type: ignore[union-attr]
                opened.execute(f"CREATE TABLE KEPT AS SELECT * FROM {METRICS}")
                set_up(connection, settings.snowflake)
                yield opened
        finally:
            services.down()


def columns(cursor: SnowflakeCursor, table: str) -> dict[str, tuple[Any, ...]]:
    cursor.execute(
        "SELECT COLUMN_NAME, NUMERIC_PRECISION, NUMERIC_SCALE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = %s",
        (table,),
    )
    return {str(row[0]): row[1:] for row in cursor.fetchall() if isinstance(row, tuple)}


def stored(cursor: SnowflakeCursor, table: str) -> list[Any]:
    cursor.execute(f"SELECT {', '.join(OTHERS)}, VOLUME FROM {table} ORDER BY SYMBOL, TRADING_DAY")
    return cursor.fetchall()


def test_set_up_widens_and_keeps_every_row(cursor: SnowflakeCursor) -> None:
    assert columns(cursor, METRICS)["VOLUME"] == (25, 6)
    assert set(columns(cursor, METRICS)) == {column.name.upper() for column in DAILY_METRICS.columns}
    before = stored(cursor, "KEPT")
    assert len(before) > 40 and stored(cursor, METRICS) == before
    cursor.execute(f"UPDATE {METRICS} SET VOLUME = 0.35 WHERE SYMBOL = 'IBM'")
    cursor.execute(f"SELECT DISTINCT VOLUME FROM {METRICS} WHERE SYMBOL = 'IBM'")
    assert cursor.fetchall() == [(Decimal("0.350000"),)]


@pytest.mark.parametrize("statements", range(1, 6))
def test_a_set_up_that_was_killed_is_gone_on_with(cursor: SnowflakeCursor, statements: int) -> None:
    copy = f"KILLED_{statements}"
    cursor.execute(f"CREATE TABLE {copy} AS SELECT * FROM KEPT")
    with pytest.raises(Killed):
        evolve(Dying(cursor, statements), DAILY_METRICS, copy)  # type: ignore[arg-type]
    evolve(cursor, DAILY_METRICS, copy)
    assert columns(cursor, copy)["VOLUME"] == (25, 6)
    assert set(columns(cursor, copy)) == set(columns(cursor, METRICS))
    assert stored(cursor, copy) == stored(cursor, "KEPT")


def test_any_other_difference_stops_the_load(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE OTHER AS SELECT * FROM KEPT")
    cursor.execute("ALTER TABLE OTHER ADD COLUMN MOOD VARCHAR")
    with pytest.raises(TableDiffers, match="OTHER is not as this release .* its column mood is not known"):
        evolve(cursor, DAILY_METRICS, "OTHER")


class Dying:
    """A cursor whose program ends after so many statements that change something."""

    def __init__(self, cursor: SnowflakeCursor, statements: int) -> None:
        self._cursor = cursor
        self._left = statements

    def execute(self, sql: str, *given: Any) -> Any:
        changes = sql.startswith(("ALTER", "UPDATE"))
        done = self._cursor.execute(sql, *given)
        self._left -= changes
        if changes and not self._left:
            raise Killed
        return done

    def fetchall(self) -> Any:
        return self._cursor.fetchall()
