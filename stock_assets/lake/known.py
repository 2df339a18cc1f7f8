"""raw tables -> what need not be published again.

Belongs here: telling new records from those the lake holds already, so that a rerun publishes only what differs.
Does not belong here: dropping repeats of a live stream (bars do that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from stock_assets.domain.messages import Action, Bar, Message, Tick, encode
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS, RAW_TICKS, Table
from stock_assets.lake.tables import open_table

_BAR_KEY = ("source", "symbol", "interval", "start_time")
_BAR_VALUES = ("open", "high", "low", "close", "volume", "currency", "price_basis", "final")
_ACTION_KEY = ("source", "symbol", "ex_date", "kind")


class Known:
    """What the raw tables hold; read once, when first asked for."""

    def __init__(self, lake_root: str) -> None:
        self._lake_root = lake_root
        self._bars: dict[tuple[Any, ...], tuple[Any, ...]] | None = None
        self._actions: dict[tuple[Any, ...], tuple[Any, ...]] | None = None
        self._ticks: dict[tuple[str, date], set[str]] = {}
        self._rejected: set[bytes] | None = None

    def new(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages that say something new: a tick not landed yet, a bar or action that differs from the newest."""
        for message in messages:
            if isinstance(message, Tick):
                is_known = message.event_id in self._event_ids(message)
            elif isinstance(message, Bar):
                is_known = self._newest_bars().get(_values(message, _BAR_KEY)) == _values(message, _BAR_VALUES)
            else:
                is_known = self._newest_actions().get(_values(message, _ACTION_KEY)) == (message.value,)
            if not is_known:
                yield message

    def _event_ids(self, tick: Tick) -> set[str]:
        day = datetime.fromtimestamp(tick.event_time / 1e6, EXCHANGE_ZONE).date()
        if not is_session(day):
            return {tick.event_id} if encode(tick) in self._quarantine() else set()
        key = (tick.source, day)
        if key not in self._ticks:
            import pyarrow.dataset as ds

            of_day = (ds.field("trading_day") == day) & (ds.field("source") == tick.source)
            accepted = self._rows(RAW_TICKS, ["event_id"], of_day)
            self._ticks[key] = {row["event_id"] for row in accepted}
        return self._ticks[key]

    def _quarantine(self) -> set[bytes]:
        """Payloads of rejected ticks: a tick of a day without a session has no row to be found by."""
        if self._rejected is None:
            import pyarrow.dataset as ds

            handle = open_table(self._lake_root, RAW_TICKS)
            if handle is None:
                return set()
            has_payload = ds.field("payload").is_valid() & ds.field("trading_day").is_null()
            rows = handle.to_pyarrow_dataset().to_table(columns=["payload"], filter=has_payload)
            self._rejected = set(rows["payload"].to_pylist())
        return self._rejected

    def _newest_bars(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        if self._bars is None:
            rows = self._rows(RAW_BARS, [*_BAR_KEY, *_BAR_VALUES, "known_at"])
            self._bars = _newest(rows, _BAR_KEY, _BAR_VALUES)
        return self._bars

    def _newest_actions(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        if self._actions is None:
            rows = self._rows(RAW_ACTIONS, [*_ACTION_KEY, "value", "known_at"])
            self._actions = _newest(rows, _ACTION_KEY, ("value",))
        return self._actions

    def _rows(self, table: Table, columns: list[str], wanted: Any = None) -> list[dict[str, Any]]:
        """Accepted rows; instants as microseconds, as messages have them."""
        import pyarrow as pa
        import pyarrow.dataset as ds

        handle = open_table(self._lake_root, table)
        if handle is None:
            return []
        accepted = ds.field("rejected_because").is_null()
        rows = handle.to_pyarrow_dataset().to_table(
            columns=columns, filter=accepted if wanted is None else accepted & wanted
        )
        for index, field in enumerate(rows.schema):
            if pa.types.is_timestamp(field.type):
                rows = rows.set_column(index, field.name, rows[field.name].cast(pa.int64()))
        found: list[dict[str, Any]] = rows.to_pylist()
        return found


def _newest(
    rows: list[dict[str, Any]], key: tuple[str, ...], values: tuple[str, ...]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    ordered = sorted(rows, key=lambda row: row["known_at"])
    return {tuple(row[name] for name in key): tuple(row[name] for name in values) for row in ordered}


def _values(message: Bar | Action, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(message, name) for name in names)
