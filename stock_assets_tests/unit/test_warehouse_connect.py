"""Who cannot connect to the warehouse reads which account it was."""

from __future__ import annotations

import pytest
from snowflake.connector.errors import DatabaseError, OperationalError

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import failures_told

SNOWFLAKE = Settings({"SNOWFLAKE_ACCOUNT": "no-such-account", "SNOWFLAKE_USER": "LOADER"}).snowflake


def test_an_account_that_does_not_answer_is_named() -> None:
    said = "account no-such-account does not answer: .*backend"
    with pytest.raises(ServiceUnavailable, match=said), failures_told(SNOWFLAKE):
        raise OperationalError("250001: Could not connect to Snowflake backend after 2 attempt(s).Aborting")


def test_an_account_that_refuses_is_named_with_what_to_check() -> None:
    said = "account no-such-account refused user LOADER: .*Check SNOWFLAKE_ACCOUNT"
    with pytest.raises(PermanentError, match=said), failures_told(SNOWFLAKE):
        raise DatabaseError("Incorrect username or password was specified.")


def test_what_fails_afterwards_is_left_as_it_is() -> None:
    with pytest.raises(KeyError), failures_told(SNOWFLAKE):
        raise KeyError("not of the connector")
