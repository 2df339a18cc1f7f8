"""settings -> an open connection to Snowflake, or to the embedded stand-in.

Belongs here: how to connect, and what of a failure may pass.
Does not belong here: SQL.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.warehouse import Snowflake
from stock_assets.warehouse.sign_in import advice, credentials

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ATTEMPTS = 3
LOGIN_TIMEOUT_S = 20
NETWORK_TIMEOUT_S = 300


def connect(snowflake: Snowflake, *, anywhere: bool = False) -> SnowflakeConnection:
    """An open connection in the settings' database and schema, with the session's time zone UTC.

    Args:
        anywhere: in no database, for who is about to make it.

    Raises:
        ServiceUnavailable: it did not answer ``ATTEMPTS`` times.
        PermanentError: it refused, so that trying again cannot help: wrong user, password, account or role.
    """
    from snowflake import connector
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    # the connector tells each failed login at length; the sentence below is enough
    logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)
    retrying = Retrying(
        retry=retry_if_exception_type(connector.errors.OperationalError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    with failures_told(snowflake):
        given = parameters(snowflake)
        if anywhere:
            given = {name: value for name, value in given.items() if name not in ("database", "schema", "warehouse")}
        return retrying(connector.connect, **given)


@contextmanager
def failures_told(snowflake: Snowflake) -> Iterator[None]:
    """What the connector raises while it connects, as a sentence that names the account.

    Raises:
        ServiceUnavailable: the warehouse did not answer.
        PermanentError: it refused.
    """
    from snowflake.connector import errors

    where = f"{snowflake.host}:{snowflake.port}" if snowflake.host else f"account {snowflake.account}"
    try:
        yield
    except errors.OperationalError as error:
        raise ServiceUnavailable(f"The warehouse at {where} does not answer: {_first_line(error)}") from error
    except errors.Error as error:
        raise PermanentError(
            f"The warehouse at {where} refused user {snowflake.user}: {_first_line(error)} {advice(snowflake)}"
        ) from error


def parameters(snowflake: Snowflake, tag: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Keyword arguments of ``snowflake.connector.connect``; they hold secrets.

    Args:
        tag: stored as JSON beside each query in the account's query history.

    Raises:
        PermanentError: the settings for signing in contradict each other, or the key cannot be used.
    """
    told = {"QUERY_TAG": json.dumps(tag)} if tag else {}
    wanted: dict[str, Any] = {
        "account": snowflake.account,
        "user": snowflake.user,
        **credentials(snowflake),
        "database": snowflake.database,
        "schema": snowflake.schema,
        "warehouse": snowflake.warehouse,
        "application": "stock_assets",
        "login_timeout": LOGIN_TIMEOUT_S,
        "network_timeout": NETWORK_TIMEOUT_S,
        "session_parameters": {"TIMEZONE": "UTC", **told},
        "arrow_number_to_decimal": True,  # or a NUMBER with decimals becomes a float in Arrow
    }
    if snowflake.role:
        wanted["role"] = snowflake.role
    if snowflake.host:
        # without the last one the connector asks the cloud's metadata addresses first, which takes seconds
        wanted |= {
            "host": snowflake.host,
            "port": snowflake.port,
            "protocol": snowflake.protocol,
            "platform_detection_timeout_seconds": 0.0,
        }
    return wanted


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text[:300] if text.endswith(".") else f"{text[:300]}."
