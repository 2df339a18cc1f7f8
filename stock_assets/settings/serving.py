"""names and texts -> settings of the database for BI tools.

Belongs here: whether there is one, and where. Does not belong here: connecting (``serving.connect``).
"""

from __future__ import annotations

from urllib.parse import urlunsplit

from stock_assets.settings.owner import Owner, setting
from stock_assets.settings.postgres_url import postgres_url, wrong_url

LOADER, READER = "loader", "bi_reader"
"""Roles of the embedded server, and those that a server of one's own is expected to have."""


class ServingSettings(Owner):
    """The database that BI tools read."""

    on: bool = setting("SERVING", True, "whether the tables for BI tools are filled; `on` or `off`", shown="`on`")
    url: str = setting(
        "SERVING_DATABASE_URL",
        "",
        "a PostgreSQL database of your own for BI tools: `postgresql://USER@HOST:PORT/DATABASE`, of a user that may create "
        "schemas in it",
        shown="the embedded one",
        example="postgresql://loader@postgres:5432/serving",
        repr=False,
    )
    password: str = setting("SERVING_PASSWORD", "", "that user's password", shown="none", repr=False)

    def address(self, role: str) -> str:
        """``url`` for a role: with the password for the loader, for anybody else without.

        Raises:
            PermanentError: it is no URL of a PostgreSQL.
        """
        parts = postgres_url("SERVING_DATABASE_URL", self.url, self.password)
        if not parts.path.strip("/"):
            raise wrong_url("SERVING_DATABASE_URL")
        if role != LOADER:
            parts = parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}")
        return urlunsplit(parts)
