"""names and texts -> settings of Dagster.

Belongs here: what the definitions depend on, and where Dagster keeps its records.
Does not belong here: the definitions (``stock_assets.defs``).
"""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.owner import Owner, setting


class DagsterSettings(Owner):
    """Partitions and automation."""

    first_session: date = setting(
        "FIRST_SESSION",
        date(2012, 1, 3),
        "first partition; no earlier than needed, as every set of partitions names it",
    )
    automatic: bool = setting("AUTOMATIC", True, "whether sensors run as soon as Dagster does", shown="`true`")
    home: str = setting(
        "DAGSTER_HOME",
        "",
        "where Dagster keeps its records; `make setup` writes it into `.env`, where `dagster dev` finds it",
        shown="`.local/dagster`",
        example="/absolute/path/.local/dagster",
    )
    pg_url: str = setting(
        "DAGSTER_PG_URL",
        "",
        "a PostgreSQL server of your own for Dagster's runs and events: `postgresql://USER@HOST:PORT/DATABASE`",
        shown="the embedded one",
        example="postgresql://dagster@postgres:5432/dagster",
        repr=False,
    )
    pg_password: str = setting("DAGSTER_PG_PASSWORD", "", "its password", shown="none", repr=False)

    def postgres_url(self) -> str:
        """``pg_url`` with password, port and driver; empty when there is none.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        if not self.pg_url:
            return ""
        wrong = PermanentError("DAGSTER_PG_URL must be postgresql://USER@HOST:PORT/DATABASE")  # not shown: a password
        try:
            parts = urlsplit(self.pg_url)
            place = f"{parts.hostname}:{parts.port or 5432}"
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("postgresql", "postgresql+psycopg2") or not parts.hostname or not parts.username:
            raise wrong
        secret = self.pg_password or unquote(parts.password or "")
        user = f"{parts.username}:{quote(secret, safe='')}" if secret else parts.username
        # the driver that Dagster is released with; newer versions of SQLAlchemy would take another one
        return urlunsplit(parts._replace(scheme="postgresql+psycopg2", netloc=f"{user}@{place}"))
