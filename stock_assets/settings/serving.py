"""names and texts -> settings of the database for BI tools.

Belongs here: whether there is one, and where. Does not belong here: connecting (``serving.connect``).
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.owner import Owner, setting

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
        wrong = PermanentError(
            "SERVING_DATABASE_URL must be postgresql://USER@HOST:PORT/DATABASE"
        )  # may hold a password
        try:
            parts = urlsplit(self.url)
            place = f"{parts.hostname}:{parts.port or 5432}"
        except ValueError:
            raise wrong from None
        if parts.scheme != "postgresql" or not parts.hostname or not parts.username or not parts.path.strip("/"):
            raise wrong
        user = role
        if role == LOADER:
            secret = self.password or unquote(parts.password or "")
            user = f"{parts.username}:{quote(secret, safe='')}" if secret else parts.username
        return urlunsplit(parts._replace(netloc=f"{user}@{place}"))
