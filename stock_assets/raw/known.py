"""raw tables -> what need not be published again.

Belongs here: telling new records from those the lake holds already, so that a rerun publishes only what differs.
Does not belong here: dropping repeats of a live stream (bars do that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from msgspec import structs

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import SHARE_FIELDS, Action, Bar, Message, Tick, day_of, decode, encode
from stock_assets.domain.sessions import is_session
from stock_assets.domain.shares import as_shares
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets.lake.tables import open_table
from stock_assets.lake.withdrawn import withdrawn_rows
from stock_assets.topic.schema_registry import unframed

_TABLES: dict[type[Message], Table] = {Tick: RAW_TICKS, Bar: RAW_BARS, Action: RAW_ACTIONS}
_KEYS: dict[type[Message], tuple[str, ...]] = {
    Bar: ("source", "symbol", "interval", "start_time"),
    Action: ("source", "symbol", "ex_date", "kind"),
}
_VALUES: dict[type[Message], tuple[str, ...]] = {
    Bar: ("open", "high", "low", "close", "volume", "currency", "price_basis", "final"),
    Action: ("value", "currency"),
}
_Values = tuple[Any, ...]


class Known:
    """What the raw tables hold; read once, when first asked for."""

    def __init__(self, lake_root: str) -> None:
        self._lake_root = lake_root
        self._stated: dict[type[Message], dict[_Values, set[_Values]]] = {}
        self._ticks: dict[tuple[str, date], set[tuple[str, str]]] = {}
        self._rejected: dict[type[Message], set[bytes]] = {}
        self._taken_out: dict[type[Message], set[bytes]] = {}

    def new(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages that say something new: a tick not landed yet, a bar or action that differs from the newest."""
        return (message for message in messages if not self._is_known(message))

    def _is_known(self, message: Message) -> bool:
        kind = type(message)
        if not is_session(day_of(message)):
            return _without_known_at(message) in self._quarantine(kind)
        if self._withdrawn(kind) and _without_known_at(message) in self._withdrawn(kind):
            return True
        if isinstance(message, Tick):
            return (message.symbol, message.event_id) in self._event_ids(message)
        newest = self._newest(kind).get(_fields(message, _KEYS[kind]), set())
        return _fields(message, _VALUES[kind]) in newest

    def _event_ids(self, tick: Tick) -> set[tuple[str, str]]:
        """Symbol and event_id of what the source said of the tick's day."""
        import pyarrow.dataset as ds

        key = (tick.source, day_of(tick))
        if key not in self._ticks:
            of_day = (ds.field("trading_day") == key[1]) & (ds.field("source") == tick.source)
            rows = self._accepted(RAW_TICKS, ["symbol", "event_id"], of_day)
            self._ticks[key] = {(row["symbol"], row["event_id"]) for row in rows}
        return self._ticks[key]

    def _newest(self, kind: type[Message]) -> dict[_Values, set[_Values]]:
        """Per key the newest values; several when they were stated as known at the same time."""
        if kind not in self._stated:
            rows = self._accepted(_TABLES[kind], [*_KEYS[kind], *_VALUES[kind], "known_at"])
            newest: dict[_Values, tuple[int, set[_Values]]] = {}
            for row in rows:
                key, values = (tuple(row[name] for name in names) for names in (_KEYS[kind], _VALUES[kind]))
                known_at, stated = newest.get(key, (-1, set()))
                if row["known_at"] > known_at:
                    newest[key] = (row["known_at"], {values})
                elif row["known_at"] == known_at:
                    stated.add(values)
            self._stated[kind] = {key: stated for key, (_, stated) in newest.items()}
        return self._stated[kind]

    def _quarantine(self, kind: type[Message]) -> set[bytes]:
        """Rejected messages: one of a day without a session has no accepted row to be found by."""
        if kind not in self._rejected:
            import pyarrow.dataset as ds

            has_payload = ds.field("payload").is_valid() & ds.field("trading_day").is_null()
            rows = self._read(_TABLES[kind], ["payload"], has_payload)
            payloads = {unframed(row["payload"]) for row in rows}
            self._rejected[kind] = set(_stated_before(kind, payloads))
        return self._rejected[kind]

    def _withdrawn(self, kind: type[Message]) -> set[bytes]:
        """Messages that were withdrawn: to say the same again would bring them back."""
        if kind not in self._taken_out:
            handle = open_table(self._lake_root, _TABLES[kind])
            rows = withdrawn_rows(handle).to_pylist() if handle is not None else []
            self._taken_out[kind] = set(_stated_before(kind, (unframed(row["payload"]) for row in rows)))
        return self._taken_out[kind]

    def _accepted(self, table: Table, columns: list[str], wanted: Any = None) -> list[dict[str, Any]]:
        import pyarrow.dataset as ds

        accepted = ds.field("rejected_because").is_null()
        return self._read(table, columns, accepted if wanted is None else accepted & wanted)

    def _read(self, table: Table, columns: list[str], wanted: Any) -> list[dict[str, Any]]:
        """Rows; instants as microseconds, as messages have them."""
        import pyarrow as pa

        handle = open_table(self._lake_root, table)
        if handle is None:
            return []
        rows = handle.to_pyarrow_dataset().to_table(columns=columns, filter=wanted)
        for index, field in enumerate(rows.schema):
            if pa.types.is_timestamp(field.type):
                rows = rows.set_column(index, field.name, rows[field.name].cast(pa.int64()))
        found: list[dict[str, Any]] = rows.to_pylist()
        return found


def _fields(message: Message, names: tuple[str, ...]) -> _Values:
    """As a raw table holds them."""
    values = ((name, getattr(message, name)) for name in names)
    return tuple(as_shares(value) if name in SHARE_FIELDS and value is not None else value for name, value in values)


def _without_known_at(message: Message) -> bytes:
    """The message as JSON; what a vendor says again a day later is the same, and so are 100 shares and 100.0."""
    shares = {name: float(value) for name in SHARE_FIELDS if (value := getattr(message, name, None)) is not None}
    return encode(structs.replace(message, **shares, **({} if isinstance(message, Tick) else {"known_at": 0})))


def _stated_before(kind: type[Message], payloads: Iterable[bytes]) -> Iterator[bytes]:
    for payload in payloads:
        try:
            yield _without_known_at(decode(kind, payload))
        except BadRecord:
            pass  # Nobody could state that again.
