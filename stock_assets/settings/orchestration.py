"""names and texts -> settings of Dagster.

Belongs here: what the definitions depend on, and where Dagster keeps its records.
Does not belong here: the definitions (``stock_assets.defs``).
"""

from __future__ import annotations

from datetime import date

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
