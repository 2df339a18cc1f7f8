"""names and texts -> settings of OpenLineage.

Belongs here: who is told of runs and of what they read and write. Does not belong here: what is told (``defs.lineage_events``).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.owner import Owner, setting


class LineageSettings(Owner):
    """Who is told of lineage, in the words of OpenLineage."""

    url: str = setting(
        "OPENLINEAGE_URL",
        "",
        "a receiver of [OpenLineage](https://openlineage.io) events, such as Marquez or DataHub: `http://HOST:PORT`; what it is sent "
        "goes to `api/v1/lineage` below",
        shown="nobody",
        example="http://127.0.0.1:5000",
        repr=False,
    )
    api_key: str = setting("OPENLINEAGE_API_KEY", "", "its key, sent as a bearer token", shown="none", repr=False)
    namespace: str = setting("OPENLINEAGE_NAMESPACE", "stock_assets", "namespace of the jobs in these events")

    def address(self) -> str:
        """``url`` with the slash at its end without which the last part of a path would be replaced.

        Raises:
            PermanentError: it is no address of HTTP; the text does not show it, as it may hold a password.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PermanentError("OPENLINEAGE_URL must be http://HOST:PORT or https://HOST")
        return f"{self.url.rstrip('/')}/"
