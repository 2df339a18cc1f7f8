"""work done outside of a run -> events in Dagster.

Belongs here: telling an instance that exists of what a command stored. Does not belong here: the work. Dagster is
imported only when there is an instance: a command without one does not pay for it (2 CPU-seconds).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Self

from stock_assets.domain.errors import PermanentError, StockAssetsError
from stock_assets.local.dagster import instance_home
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    import dagster as dg

    from stock_assets.landing.commit import Landing
    from stock_assets.raw.redrive import Redrive
    from stock_assets.topic.topics import Topic

log = logging.getLogger(__name__)


def report_redriven(settings: Settings, topic: Topic, done: Redrive) -> int:
    """Report one materialization per session that a redrive touched; returns their number, 0 without an instance.

    What Dagster does not take is only told: the records are landed, and the next of them must not wait for it.
    """
    home = instance_home(settings)
    if home is None or not done.sessions:
        return 0
    import dagster as dg

    from stock_assets.defs.partitions import session_partitions, within
    from stock_assets.defs.raw_assets import RAW_KEYS

    days = within(session_partitions(settings.dagster.first_session), done.sessions)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            for day in days:
                about = {"landing_id": done.landing_id, "delta_version": done.version}
                text = "Records of the quarantine, accepted by a redrive."
                _report(instance, RAW_KEYS[topic.stage], day, done.sessions[day], text, **about)
    except _away() as refused:
        log.warning("Dagster did not take the report of %s: %s", done.landing_id, refused)
        return 0
    return len(days)


def report_held(settings: Settings, say: Callable[[str], None]) -> int:
    """Report each session that lake and warehouse hold and Dagster does not show; returns how many materializations.

    Dagster's records follow from the tables, not the other way round: what was lost with them is told again.

    Raises:
        PermanentError: there is no instance yet.
        ServiceUnavailable: store, warehouse or Dagster's database does not answer.
    """
    home = instance_home(settings)
    if home is None:
        raise PermanentError("Dagster keeps no records yet: `stock-assets up` starts it.")
    import dagster as dg

    from stock_assets.defs.holdings import rows_by_session
    from stock_assets.defs.partitions import session_partitions, within
    from stock_assets.defs.storage import keep_connections

    partitions, told = session_partitions(settings.dagster.first_session), 0
    with dg.DagsterInstance.from_config(str(home)) as instance:
        keep_connections(instance)
        for asset, rows in rows_by_session(settings).items():
            key = dg.AssetKey(asset.split("/"))
            shown = instance.get_materialized_partitions(key)
            lacking = [day for day in within(partitions, rows) if day.isoformat() not in shown]
            for day in lacking:
                _report(instance, key, day, rows[day], "Held by the tables; reported again.")
            told += len(lacking)
            say(f"{asset:<30} {len(rows):>5} sessions held, {len(lacking):>5} reported")
    return told


def _away() -> tuple[type[Exception], ...]:
    """What is raised where Dagster's records cannot be written now."""
    import dagster as dg
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import SQLAlchemyError

    return dg.DagsterError, DagsterPostgresException, SQLAlchemyError, StockAssetsError, OSError


def _report(
    instance: dg.DagsterInstance, key: dg.AssetKey, day: date, rows: int, text: str, **about: str | int | None
) -> None:
    """One session of an asset, materialized outside of a run."""
    import dagster as dg

    told = dg.AssetMaterialization(
        key, partition=day.isoformat(), description=text, metadata={"dagster/row_count": rows, **about}
    )
    instance.report_runless_asset_event(told)


class LandingReports:
    """Tells Dagster what a process outside of it landed: per session and at most every ``EVERY_S`` seconds one event.

    Does nothing without an instance. Reports go out beside the landing, which does not wait for them: a thread of its own
    sends them, keeps what Dagster did not take for the next time, and sends the rest at the end. A context manager.
    """

    EVERY_S = 15.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = instance_home(settings)
        self._rows: Counter[tuple[str, date]] = Counter()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._sender = threading.Thread(target=self._send_until_done)

    def add(self, topic: Topic, landing: Landing) -> None:
        """Note a landing; what was noted goes out when its time has come."""
        with self._lock:
            for day, rows in landing.sessions.items():
                self._rows[topic.stage, day] += rows

    def __enter__(self) -> Self:
        if self._home is not None:
            import stock_assets.defs.raw_assets  # noqa: F401  (Dagster comes with it, before the first landing)

            self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._sender.is_alive():
            self._sender.join()

    def _send_until_done(self) -> None:
        import dagster as dg

        away, done = _away(), False
        while not done:
            done = self._done.wait(self.EVERY_S)
            with self._lock:
                noted, self._rows = self._rows, Counter()
            if not noted:
                continue
            try:
                with dg.DagsterInstance.from_config(str(self._home)) as instance:
                    self._send(instance, noted)
            except away as refused:
                log.warning("Dagster did not take a report; it goes out with the next: %s", refused)
                with self._lock:
                    self._rows.update(noted)

    def _send(self, instance: dg.DagsterInstance, noted: Counter[tuple[str, date]]) -> None:
        """Report what was noted; what went out is taken from ``noted``."""
        from stock_assets.defs.partitions import session_partitions, within
        from stock_assets.defs.raw_assets import RAW_KEYS

        known = set(within(session_partitions(self._settings.dagster.first_session), (day for _, day in noted)))
        for stage, day in sorted(noted):
            if day in known:
                _report(instance, RAW_KEYS[stage], day, noted[stage, day], "Landed by the continuous landing.")
            del noted[stage, day]
