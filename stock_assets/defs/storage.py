"""PostgreSQL -> Dagster's runs, events and schedules.

Belongs here: opening them, with a sentence where that fails, and creating their tables. Run as
``python -m stock_assets.defs.storage`` it does the latter: the web server and the daemon would both do it at their first
start, at the same time, and one of them would fail.
Does not belong here: the server (``local.postgres``), and Dagster's configuration (``local.dagster``).
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import Pool

from stock_assets.domain.errors import ServiceUnavailable, StockAssetsError
from stock_assets.local.on_demand import ensure
from stock_assets.local.readiness import LOOPBACK, wait_for_port
from stock_assets.settings.platform import Settings

ANSWERS_WITHIN_S = 10
"""One that was killed is there again within a second or two."""


class Storage(DagsterPostgresStorage):
    """Dagster's own storage on PostgreSQL. ``dagster dev`` starts the embedded server with it, where nothing else has."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Open it.

        Raises:
            ServiceUnavailable: the server does not answer.
        """
        settings = Settings.load()
        if settings.local.dagster_dev and settings.embedded_postgres:
            ensure(settings, "postgres")
        # an own server's URL may hold a password, so it is in no file
        url = make_url(config_value["postgres_url"] or settings.dagster_pg_url)
        try:
            wait_for_port(url.port or 5432, ANSWERS_WITHIN_S, url.host or LOOPBACK)
        except ServiceUnavailable as away:
            raise ServiceUnavailable(f"Dagster's records cannot be opened: {away}") from None
        storage = cls(url.render_as_string(hide_password=False), config_value["should_autocreate_tables"], inst_data)
        if Path(sys.argv[0]).name == "dagster-daemon":  # it has one instance, and looks every second
            keep_connections(storage)
        return storage


def keep_connections(opened: dg.DagsterInstance | Storage) -> None:
    """Keep the connections of an instance that asks or tells a lot: a new one for each event takes 20 ms, the event 5.

    Not for whoever opens many instances: each would keep its own, and the server lets in a hundred.
    """
    if not event.contains(Pool, "checkout", _ask_again):
        event.listen(Pool, "checkout", _ask_again)
    parts = (opened.run_storage, opened.event_log_storage, opened.schedule_storage)
    for part in parts:
        if part is not None:
            part.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)


def _ask_again(connection: Any, *_: Any) -> None:
    """A connection that was kept may have ended with its server: another one takes its place then."""
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
    except Exception as gone:
        raise DisconnectionError from gone


def create_tables(url: str) -> None:
    """Create what is missing, and bring tables of an older Dagster to the form of today's."""
    from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage

    for storage in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
        storage(url).upgrade()


if __name__ == "__main__":
    try:
        create_tables(Settings.load().dagster_pg_url)
    except (StockAssetsError, DagsterPostgresException, SQLAlchemyError) as broken:
        sys.exit(str(broken.__cause__ or broken).splitlines()[0])
