"""The warehouse's SQL against the lake's table, and what is refused before anything is sent."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from importlib.metadata import PackageNotFoundError
from typing import Any

import pyarrow as pa
import pytest
import snowflake.connector
from snowflake.connector.errors import DatabaseError, OperationalError

from stock_assets import release
from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import dbt_environment
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.connect import ATTEMPTS, connect, parameters
from stock_assets.warehouse.load import load_range, merge_sql, value_columns
from stock_assets.warehouse.set_up import (
    account_statements,
    create_table,
    load_statements,
    schema_statements,
    set_up,
    table_statements,
)

ACCOUNT = Settings({"SNOWFLAKE_WAREHOUSE": "W", "SNOWFLAKE_DATABASE": "D", "SNOWFLAKE_SCHEMA": "S"}).snowflake
TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
    "decimal(18,6)": "NUMBER(18,6)",
    "decimal(25,6)": "NUMBER(25,6)",
    "float64": "FLOAT",
}


def test_columns_and_key_are_those_of_the_lake() -> None:
    create = create_table("DAILY_STOCK_METRICS", DAILY_METRICS)
    columns = re.findall(r"^    (\w+) (\S+?)( NOT NULL)?,$", create, re.MULTILINE)
    expected = [(c.name.upper(), TYPES[c.type], "" if c.nullable else " NOT NULL") for c in DAILY_METRICS.columns]
    assert columns == expected
    assert f"PRIMARY KEY ({', '.join(DAILY_METRICS.key).upper()})" in create


def test_the_warehouse_is_small_and_sleeps() -> None:
    create, *_ = account_statements(ACCOUNT)
    for words in ("WAREHOUSE IF NOT EXISTS W", "'X-SMALL'", "AUTO_SUSPEND = 60", "AUTO_RESUME = TRUE"):
        assert words in create


def test_set_up_never_destroys() -> None:
    made = [*account_statements(ACCOUNT), *table_statements(), *schema_statements(), *load_statements()]
    assert len(made) > 25
    kinds = r"CREATE [A-Z ]+ IF NOT EXISTS |CREATE OR REPLACE VIEW |GRANT |ALTER WAREHOUSE W SET RESOURCE_MONITOR"
    assert all(re.match(kinds, each) for each in made)


def test_users_of_programs_have_no_password_and_roles_no_more_than_they_need() -> None:
    made = account_statements(ACCOUNT)
    users = [each for each in made if each.startswith("CREATE USER")]
    assert len(users) == 3 and all("TYPE = SERVICE" in each and "PASSWORD" not in each for each in users)
    reading = [each for each in made if each.endswith("ROLE REPORTER") and each.startswith("GRANT")]
    assert reading and all(re.match(r"GRANT (USAGE|SELECT) ON ", each) for each in reading)


def test_a_name_that_is_no_identifier_is_refused_before_it_reaches_sql() -> None:
    settings = Settings({"SNOWFLAKE_SCHEMA": "PUBLIC; DROP DATABASE X"})
    with pytest.raises(PermanentError, match="SNOWFLAKE_SCHEMA"):
        set_up(None, settings.snowflake)  # type: ignore[arg-type]


def test_a_difference_in_revision_alone_is_no_update() -> None:
    assert {"revision", "bars_revision", *DAILY_METRICS.key}.isdisjoint(value_columns(DAILY_METRICS))
    condition = merge_sql("STAGING", DAILY_METRICS).split("WHEN MATCHED AND (")[1].split(") THEN")[0]
    assert condition.count("IS DISTINCT FROM") == len(value_columns(DAILY_METRICS))
    assert "REVISION" not in condition


def metrics(*rows: dict[str, Any]) -> pa.Table:
    """Rows of daily metrics; what is not given has a value of its type, or null where that may be."""
    blank = {
        "string": "x",
        "int64": 1,
        "int32": 2024,
        "bool": False,
        "decimal(18,6)": Decimal(1),
        "decimal(25,6)": Decimal(1),
        "date": None,
    }
    default = {c.name: None if c.nullable else blank[c.type] for c in DAILY_METRICS.columns}
    return pa.Table.from_pylist([{**default, **row} for row in rows], schema=DAILY_METRICS.arrow_schema())


def test_a_key_that_comes_twice_is_refused() -> None:
    day = date(2024, 3, 1)
    rows = metrics({"symbol": "A", "trading_day": day}, {"symbol": "A", "trading_day": day})
    with pytest.raises(PermanentError, match=r"more than one row for the same \(symbol, trading_day\)"):
        load_range(None, rows, DAILY_METRICS, day, day, Origin("", None))  # type: ignore[arg-type]


def test_a_row_outside_the_range_is_refused() -> None:
    rows = metrics({"symbol": "A", "trading_day": date(2024, 3, 4)})
    with pytest.raises(PermanentError, match="2024-03-04 to 2024-03-04 do not lie within"):
        load_range(None, rows, DAILY_METRICS, date(2024, 3, 1), date(2024, 3, 1), Origin("", None))  # type: ignore[arg-type]


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def refuse(**arguments: Any) -> None:
        calls.append(arguments)
        raise error

    monkeypatch.setattr(snowflake.connector, "connect", refuse)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    return calls


def test_a_refused_password_is_said_once_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing(monkeypatch, DatabaseError("Incorrect username or password was specified.", errno=250001))
    settings = Settings({"SNOWFLAKE_ACCOUNT": "acme", "SNOWFLAKE_USER": "ann", "SNOWFLAKE_PASSWORD": "hunter2"})
    with pytest.raises(PermanentError, match="refused user ann: .*Incorrect username or password") as caught:
        connect(settings.snowflake)
    assert len(calls) == 1
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(settings.snowflake)


def test_a_silent_warehouse_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing(monkeypatch, OperationalError("Failed to connect", errno=250001))
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:8085 does not answer"):
        connect(Settings({}).snowflake)
    assert len(calls) == ATTEMPTS


def test_the_stand_in_and_snowflake_differ_by_settings_alone() -> None:
    local = parameters(Settings({}).snowflake)
    cloud = parameters(Settings({"SNOWFLAKE_ACCOUNT": "acme", "SNOWFLAKE_ROLE": "LOADER"}).snowflake)
    assert local["protocol"] == "http"
    assert local.keys() - cloud.keys() == {"host", "port", "protocol", "platform_detection_timeout_seconds"}
    assert cloud.keys() - local.keys() == {"role"}
    assert local["session_parameters"] == cloud["session_parameters"] == {"TIMEZONE": "UTC"}


def test_the_release_is_told_where_it_is_installed_and_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert release.release() == "source" or re.fullmatch(r"\d+\.\d+\.\d+", release.release())

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(release, "version", missing)
    assert release.release() == "source"


def test_dbt_has_a_role_of_its_own_where_one_is_named() -> None:
    loader = {"SNOWFLAKE_ROLE": "LOADER"}
    for given, role in ((loader, "LOADER"), (loader | {"SNOWFLAKE_DBT_ROLE": "TRANSFORMER"}, "TRANSFORMER")):
        settings = Settings(given)
        assert dbt_environment(settings)["DBT_SNOWFLAKE_ROLE"] == role and settings.snowflake.role == "LOADER"
