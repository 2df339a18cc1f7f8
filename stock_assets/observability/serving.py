"""the database for BI tools, the warehouse -> a fact about the tables there.

Belongs here: whether the warehouse was loaded since they were. Does not belong here: loading them (``serving.load``).
"""

from __future__ import annotations

from collections.abc import Iterator

from stock_assets.observability.fact import Fact
from stock_assets.settings.platform import Settings

SERVING = "serving"


def serving_facts(settings: Settings) -> Iterator[Fact]:
    """One fact; none when there is no database for BI tools.

    Raises:
        StockAssetsError: the database or the warehouse does not answer, or refuses.
    """
    if not settings.serving.on:
        return
    from stock_assets.serving.compare import loaded_last
    from stock_assets.serving.connect import connection
    from stock_assets.warehouse.audit import count_loaded_since
    from stock_assets.warehouse.connect import connect

    with connection(settings) as database:
        last = loaded_last(database)
    if last is None:
        yield Fact(SERVING, "", False, "nothing is loaded yet; a load follows the first build")
        return
    with connect(settings.snowflake) as warehouse, warehouse.cursor() as cursor:
        waiting = count_loaded_since(cursor, last)
    at = f"{last:%Y-%m-%d %H:%M} UTC"
    text = f"{waiting} sessions were loaded into the warehouse since {at}"
    hint = "`stock-assets serving load` loads them now; the sensor marts_sensor does after each load."
    if not waiting:
        text, hint = f"loaded last at {at}, nothing has changed since", ""
    yield Fact(SERVING, "", False, text, hint, waiting, "sessions")
