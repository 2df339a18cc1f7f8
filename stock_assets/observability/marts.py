"""dbt, the warehouse -> facts about the marts.

Belongs here: whether they are built here, and whether they hold what was loaded last.
Does not belong here: building them (``defs.marts``).
"""

from __future__ import annotations

from collections.abc import Iterator

from stock_assets.local.dbt import program
from stock_assets.observability.fact import Fact
from stock_assets.settings.platform import Settings

MARTS = "marts"


def mart_facts(settings: Settings) -> Iterator[Fact]:
    """One fact; nothing is asked of a warehouse that no marts are built in from here.

    Raises:
        StockAssetsError: the warehouse does not answer, or refuses.
    """
    if not program(settings).is_file():
        yield Fact(MARTS, "", False, "not built from here; `stock-assets marts` installs dbt and builds them")
        return
    from stock_assets.warehouse.connect import connect
    from stock_assets.warehouse.for_marts import count_sessions_to_rebuild

    with connect(settings.snowflake) as connection:
        waiting = count_sessions_to_rebuild(connection)
    text = "hold what was loaded last" if waiting == 0 else f"{waiting} sessions were loaded since they were built"
    hint = "`stock-assets marts` builds them now; the sensor marts_sensor does after each load." if waiting else ""
    yield Fact(MARTS, "", False, text, hint, waiting, "sessions")
