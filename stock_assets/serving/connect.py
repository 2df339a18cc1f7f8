"""settings -> an open connection to the database for BI tools.

Belongs here: how to connect, and what is said of PostgreSQL's failures.
Does not belong here: SQL of tables (``migrate``, ``load``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stock_assets.domain.errors import PermanentError, ServiceUnavailable, TransientError
from stock_assets.settings.platform import Settings
from stock_assets.settings.serving import LOADER

if TYPE_CHECKING:
    import psycopg

ATTEMPTS = 3
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 20
"""How long a load waits for a lock that a BI tool holds."""


@contextmanager
def connection(settings: Settings, role: str = LOADER) -> Iterator[psycopg.Connection]:
    """An open connection in UTC, closed at the end. Without a transaction of its own: ``connection.transaction()`` begins one.

    Raises:
        ServiceUnavailable: the server did not answer ``ATTEMPTS`` times, went away, or its disk is full.
        TransientError: somebody else holds a lock.
        PermanentError: it refused.
    """
    import psycopg
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    url = settings.serving_url(role)
    retrying = Retrying(
        retry=retry_if_exception(_is_away),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    with failures_told(url):
        opened = retrying(
            psycopg.connect,
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="stock_assets",
            options=f"-c TimeZone=UTC -c lock_timeout={LOCK_TIMEOUT_S}s",
        )
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def failures_told(url: str) -> Iterator[None]:
    """What psycopg raises, as a sentence that names the server.

    Raises:
        ServiceUnavailable, TransientError, PermanentError: as ``connection``.
    """
    import psycopg
    from psycopg import errors

    parts = urlsplit(url)
    where = f"The serving database at {parts.hostname}:{parts.port or 5432}"
    try:
        yield
    except errors.LockNotAvailable as held:
        raise TransientError(
            f"{where} is in use: another session has held a lock for {LOCK_TIMEOUT_S} s ({_line(held)}). "
            "`select * from pg_stat_activity` there shows whose."
        ) from held
    except (errors.DiskFull, errors.OutOfMemory, errors.TooManyConnections) as full:
        raise ServiceUnavailable(f"{where} has no room left: {_line(full)}") from full
    except psycopg.OperationalError as away:
        if not _is_away(away):
            raise PermanentError(f"{where} refused {parts.username}: {_line(away)}") from away
        raise ServiceUnavailable(f"{where} does not answer: {_line(away)}") from away
    except psycopg.Error as refused:
        raise PermanentError(f"{where} refused a statement: {_line(refused)}") from refused


def _is_away(error: BaseException) -> bool:
    """Whether trying again can help."""
    import psycopg

    permanent = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied", "not permitted")
    return isinstance(error, psycopg.OperationalError) and not any(sign in str(error) for sign in permanent)


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
