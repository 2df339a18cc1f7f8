"""settings -> an open connection to the database for BI tools.

Belongs here: how to connect, and what is said of PostgreSQL's failures.
Does not belong here: SQL of tables (``migrate``, ``load``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

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


def with_password_of(url: str) -> str:
    """The URL with the password in it that libpq finds in the file which the URL names; as it is when it names none.

    Raises:
        PermanentError: the file is not there yet, or has no line for the role.
    """
    parts = urlsplit(url)
    named = parse_qs(parts.query).get("passfile")
    if not named:
        return url
    try:
        lines = [line.split(":") for line in Path(named[0]).read_text().splitlines()]
    except OSError as missing:
        raise PermanentError(
            f"{named[0]} cannot be read ({missing.strerror}): `stock-assets up postgres` makes it."
        ) from None
    secret = next((line[4] for line in lines if line[3] == parts.username), None)
    if secret is None:
        raise PermanentError(f"{named[0]} has no password of {parts.username}: `stock-assets down` and `up` make one.")
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{secret}@{parts.hostname}:{parts.port}", query=""))


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

    permanent = (
        "authentication failed",
        "does not exist",
        "no pg_hba.conf entry",
        "no password supplied",
        "not permitted",
    )
    return isinstance(error, psycopg.OperationalError) and not any(sign in str(error) for sign in permanent)


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
