"""A load of the tables for BI tools, in a process of its own that can be killed; one that is in the way is waited for."""

from __future__ import annotations

from stock_assets.domain.errors import TransientError
from stock_assets.serving.connect import connection
from stock_assets.serving.load import load
from stock_assets.serving.migrate import migrate
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect
from stock_assets_tests.patience import wait_for


def load_now(settings: Settings) -> dict[str, tuple[int, int]]:
    """Load what differs; rows and sessions by table that changed."""
    with connection(settings) as database, connect(settings.snowflake) as source, source.cursor() as cursor:
        migrate(database)
        return load(database, cursor, [], "")


def loaded(settings: Settings) -> bool:
    """Load, unless the server is away or the transaction of a loader that was killed still goes on."""
    try:
        load_now(settings)
    except TransientError:
        return False
    return True


if __name__ == "__main__":
    wait_for(lambda: loaded(Settings.load()), 120, pause_s=0.5)
