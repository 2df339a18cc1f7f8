"""names and texts -> settings of Dagster.

Belongs here: what the definitions depend on, and where Dagster keeps its records.
Does not belong here: the definitions (``stock_assets.defs``).
"""

from __future__ import annotations

from datetime import date
from urllib.parse import urlunsplit

from stock_assets.settings.owner import Owner, setting
from stock_assets.settings.postgres_url import postgres_url

DRIVER = "postgresql+psycopg2"
"""The one that Dagster is released with; newer versions of SQLAlchemy would take another one."""


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

    runs_keep_days: int = setting(
        "RUNS_KEEP_DAYS",
        30,
        "days that ended runs, their events and what they printed are kept, and superseded events of assets; 0 for ever",
        ge=0,
    )

    def postgres_url(self) -> str:
        """``pg_url`` with password, port and driver; empty when there is none.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        if not self.pg_url:
            return ""
        schemes = ("postgresql", DRIVER)
        return urlunsplit(
            postgres_url("DAGSTER_PG_URL", self.pg_url, self.pg_password, schemes)._replace(scheme=DRIVER)
        )
