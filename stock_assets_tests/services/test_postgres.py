"""The embedded PostgreSQL: started as root in either way, killed, lost, and what Dagster's records are afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import dagster as dg
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from stock_assets.defs.reports import report_held
from stock_assets.defs.storage import keep_connections
from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.local import postgres
from stock_assets.local.dagster import ensure_home
from stock_assets.local.readiness import libpq
from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets_tests.patience import wait_for
from stock_assets_tests.pipeline.readable_lake import store_metrics

KEY = dg.AssetKey(DAILY_METRICS.path.split("/"))
DAYS = [date(2013, 2, 27), date(2013, 2, 28), date(2013, 3, 1)]


@pytest.fixture
def running(own_settings: Settings) -> Iterator[Services]:
    """Services with only the database and the warehouse started."""
    services = Services(own_settings, print)
    services.up(["postgres", "warehouse"])
    ensure_home(own_settings)
    yield services
    services.down()


def opened(settings: Settings) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(settings.dagster_home))


def server(services: Services) -> int:
    """Its process, once it has been running for a second; else 0."""
    return next((each.pid for each in services.status() if (each.name, each.state) == ("postgres", "running")), 0)


def shown(instance: dg.DagsterInstance) -> list[str]:
    return sorted(instance.get_materialized_partitions(KEY))


def test_it_listens_on_loopback_and_lets_in_who_has_the_password(running: Services) -> None:
    settings = running.settings
    assert stat.S_IMODE(settings.postgres_passwords.stat().st_mode) == 0o600
    url = libpq(settings.dagster_pg_url)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, current_setting('listen_addresses') FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, "127.0.0.1")
    with pytest.raises(psycopg2.OperationalError, match="no password|authentication failed"):
        psycopg2.connect(url.split("?")[0], passfile="/nonexistent")
    assert make_url(settings.dagster_pg_url).password is None
    assert (
        settings.postgres_passwords.read_text().split(":")[-1].strip()
        not in (settings.dagster_home / "dagster.yaml").read_text()
    )


def test_what_was_told_survives_a_kill_and_a_connection_that_was_kept_goes_on(running: Services) -> None:
    with opened(running.settings) as instance:
        keep_connections(instance)
        told = []
        for number, day in enumerate(DAYS):
            instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=str(day)))
            told.append(str(day))
            before = server(running)
            os.kill(before, signal.SIGKILL if number else signal.SIGINT)
            wait_for(lambda gone=before: server(running) not in (0, gone), 60)
            assert shown(instance) == told


def test_a_lost_database_is_made_whole_from_the_tables(running: Services) -> None:
    settings = running.settings
    store_metrics(settings.lake_root, {("IBM", day): Decimal(200) for day in DAYS})
    assert report_held(settings, print) == len(DAYS)
    assert report_held(settings, print) == 0
    running.stop(["postgres"])
    with pytest.raises(ServiceUnavailable, match="Dagster's records cannot be opened: Nothing answers at"):
        report_held(settings, print)
    settings.postgres_passwords.unlink()
    with pytest.raises(PermanentError, match="remove that folder"):
        running.up(["postgres"])
    shutil.rmtree(settings.postgres_passwords.parent)
    running.up(["postgres"])
    assert report_held(settings, print) == len(DAYS)
    with opened(settings) as instance:
        assert shown(instance) == list(map(str, DAYS))
        newest = instance.get_latest_materialization_event(KEY)
        assert newest is not None and newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["dagster/row_count"].value == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs it")
@pytest.mark.parametrize("way", [postgres.NAMESPACE, postgres.AS_NOBODY])
def test_root_starts_it_in_either_way_and_one_after_the_other(
    own_settings: Settings, monkeypatch: pytest.MonkeyPatch, way: list[str]
) -> None:
    own_settings.local_dir.mkdir(parents=True)
    own_settings.local_dir.chmod(0o700)
    other = postgres.AS_NOBODY if way == postgres.NAMESPACE else postgres.NAMESPACE
    services = Services(own_settings, print)
    try:
        for chosen in (way, other):
            monkeypatch.setattr(postgres, "_not_as_root", lambda chosen=chosen: chosen)
            services.up(["postgres"])
            psycopg2.connect(libpq(own_settings.dagster_pg_url)).close()
            services.down()
    finally:
        services.down()
