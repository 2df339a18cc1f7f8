"""a setting -> the parts of a PostgreSQL URL.

Belongs here: what is refused, without showing it, and a password that is kept out of the URL.
Does not belong here: which settings these are (``orchestration``, ``serving``).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, quote, unquote, urlsplit

from stock_assets.domain.errors import PermanentError


def wrong_url(variable: str) -> PermanentError:
    """What is said of one that cannot be used; it may hold a password, so it is not shown."""
    return PermanentError(f"{variable} must be postgresql://USER@HOST:PORT/DATABASE")


def postgres_url(
    variable: str, url: str, password: str, schemes: Collection[str] = frozenset({"postgresql"})
) -> SplitResult:
    """The parts of ``url``, with its port, and with ``password`` in place of its own where there is one.

    Raises:
        PermanentError: it is no URL of a PostgreSQL.
    """
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port or 5432}"
    except ValueError:
        raise wrong_url(variable) from None
    if parts.scheme not in schemes or not parts.hostname or not parts.username:
        raise wrong_url(variable)
    secret = password or unquote(parts.password or "")
    user = f"{parts.username}:{quote(secret, safe='')}" if secret else parts.username
    return parts._replace(netloc=f"{user}@{place}")
