"""chunk of records -> columns of the good ones, reasons of the bad ones.

Belongs here: decoding in bulk, isolating bad records, placing rows on the calendar, and the reason of each rejection.
Does not belong here: rows (``rows``), offsets and commits (``landing``), and the fields themselves (``domain.messages``).

A run of records that all look alike is decoded without an object for each (``uniform``). Any other run is decoded as one
newline-delimited document. Records cannot merge across a newline (after ``}`` no JSON
value goes on with ``{``), so as many objects as records means one object each; anything else splits the run in halves
until the bad record stands alone. A reason begins with its class: ``bad json``, ``wrong type``, ``missing field``, ``out
of range``, ``unknown symbol``, ``absurd time``, ``closed session``, ``oversize``, ``tombstone``, ``wrong encoding``,
``invalid``.

A record may have more fields than this version of its schema knows, and is good; its bytes are kept, so that nothing of them
is lost until the table has a column for it. A producer that changes the meaning of a field, or makes another one required,
raises ``schema_version``: such a record is out of range for whoever does not know that version.

A record may come in the frame of a schema registry, whether or not one is set here; the frame is taken off before decoding, and
is part of the bytes that are kept. The schema it names is not looked up: every field of every record is checked here, so that
a look-up could only forbid what is good, and landing would wait for the registry. Half a frame, or another one, is ``bad json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from stock_assets.domain import sessions
from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Action, Bar, Message, Tick, decode
from stock_assets.domain.session_index import Int64s, place
from stock_assets.domain.universe import Universe
from stock_assets.lake.uniform import UniformDecoder
from stock_assets.topic.schema_registry import FRAME_BYTES, MAGIC, unframed
from stock_assets.topic.topics import Topic

MAX_RECORD_BYTES = 64 * 1024
LONGEST_AHEAD_US = 24 * 3600 * 1_000_000
"""An event may not be later than this after the broker got its record: clocks differ, by hours where zones are confused."""
_RUN_RECORDS = 1000
_EPOCH = date(1970, 1, 1)
_DERIVED = {"year", "phase"}
_AS_MESSAGES: dict[str, Any] = {"frozen": True, "kw_only": True, "gc": False}
_DAY_OF = {Bar: "trading_day", Action: "ex_date"}


@dataclass(frozen=True)
class Decoded:
    """What became of a chunk; ``accepted`` and ``rejected`` hold positions in it.

    Attributes:
        columns: columns of the raw table for the accepted records, in their order.
        reasons: one per rejected record.
        newer: those of the accepted that have fields which this version of the schema does not know.
    """

    accepted: list[int]
    columns: dict[str, pa.ChunkedArray]
    rejected: list[int]
    reasons: list[str]
    newer: frozenset[int]


@dataclass
class _Sorted:
    """The records of a run so far: the good ones and their positions in the chunk, the reasons of the others."""

    messages: list[Message]
    accepted: list[int]
    rejected: dict[int, str]
    newer: list[int]


class Decoder:
    """Decodes the records of one topic; ``universe`` are the symbols it accepts, any when None."""

    def __init__(self, topic: Topic, universe: Universe | None = None) -> None:
        self._topic = topic
        self._universe = universe
        self._lines: msgspec.json.Decoder[Any] = msgspec.json.Decoder(topic.message)
        # of the same fields, but another field is an error
        exact = msgspec.defstruct("Exact", [], bases=(topic.message,), forbid_unknown_fields=True, **_AS_MESSAGES)
        self._exact_lines: msgspec.json.Decoder[Any] = msgspec.json.Decoder(exact)
        self._uniform = UniformDecoder(topic.message, MAX_RECORD_BYTES)
        landing_at = topic.table.names.index("topic_id")
        schema = topic.table.arrow_schema()
        given = set(topic.message.__struct_fields__) - _DERIVED
        self._fields = [schema.field(name) for name in topic.table.names[:landing_at] if name in given]

    def decode(self, values: Sequence[bytes | None], times_ms: Int64s | None = None) -> Decoded:
        """Sort the records of a chunk into accepted rows and rejected records.

        ``times_ms`` is when the broker got each; without it, or where it is not positive, no event is too late.
        """
        accepted: list[int] = []
        rejected: dict[int, str] = {}
        newer: list[int] = []
        parts: list[dict[str, pa.Array]] = []
        for first, run, columns_of_run in self._runs(values):
            if columns_of_run is None:
                into = _Sorted([], accepted, rejected, newer)
                self._decode_run(run, first, into)
                columns_of_run = self._message_columns(into.messages)
            else:
                accepted.extend(range(first, first + len(run)))
            parts.append(columns_of_run)
        columns = {
            field.name: pa.chunked_array([part[field.name] for part in parts], field.type) for field in self._fields
        }
        outside: dict[int, str] = {}
        if accepted:
            known = times_ms if times_ms is None or not rejected else times_ms[accepted]
            place_rows = self._place_ticks if self._topic.message is Tick else self._place_dated
            outside = place_rows(columns, known) | self._strangers(columns)
        if outside:
            kept = np.ones(len(accepted), dtype=bool)
            for position, reason in outside.items():
                rejected[accepted[position]] = reason
                kept[position] = False
            mask = pa.array(kept)
            columns = {name: column.filter(mask) for name, column in columns.items()}
            accepted = [index for index, keep in zip(accepted, kept, strict=True) if keep]
        order = sorted(rejected)
        return Decoded(accepted, columns, order, [rejected[index] for index in order], frozenset(newer))

    def _runs(
        self, values: Sequence[bytes | None]
    ) -> Iterator[tuple[int, Sequence[bytes | None], dict[str, pa.Array] | None]]:
        """Runs of records, where each begins in the chunk, and its columns when it is uniform."""
        found = self._uniform_columns(values)
        if found is not None or len(values) <= _RUN_RECORDS:
            yield 0, values, found
            return
        for first in range(0, len(values), _RUN_RECORDS):
            run = values[first : first + _RUN_RECORDS]
            yield first, run, self._uniform_columns(run)

    def _uniform_columns(self, run: Sequence[bytes | None]) -> dict[str, pa.Array] | None:
        if run and run[0] and run[0].startswith(MAGIC):
            run = _bare(run)
        found = self._uniform.columns(run)
        if found is None:
            return None
        # equal types but for instants, which are microseconds already
        return {
            field.name: found[field.name].view(field.type) if field.name in found else pa.nulls(len(run), field.type)
            for field in self._fields
        }

    def _decode_run(self, run: Sequence[bytes | None], first: int, into: _Sorted, may_be_framed: bool = True) -> None:
        """Sort records, the first of which is at ``first`` in the chunk."""
        found = self._decode_together(run, self._exact_lines)
        # Only now, and only where there is a byte 0 at all: runs without frames are not to pay for those of others.
        if found is None and may_be_framed and MAGIC in b"".join(filter(None, run)):
            self._decode_run(_bare(run), first, into, may_be_framed=False)
            return
        if found is None and (found := self._decode_together(run, self._lines)) is not None:
            # all are good, and some have fields that this version does not know
            alone = ((at, self._decode_together([value], self._exact_lines)) for at, value in enumerate(run, first))
            into.newer.extend(at for at, exact in alone if exact is None)
        if found is not None:
            into.messages.extend(found)
            into.accepted.extend(range(first, first + len(run)))
        elif len(run) > 1:
            half = len(run) // 2
            self._decode_run(run[:half], first, into, may_be_framed=False)
            self._decode_run(run[half:], first + half, into, may_be_framed=False)
        elif run:
            try:
                into.messages.append(self._decode_one(run[0]))
                into.accepted.append(first)
                # with white space around it, it was in no document above
                if self._decode_together([(run[0] or b"").strip()], self._exact_lines) is None:
                    into.newer.append(first)
            except BadRecord as broken:
                into.rejected[first] = str(broken)

    def _decode_together(self, run: Sequence[bytes | None], lines: msgspec.json.Decoder[Any]) -> list[Message] | None:
        """All records of a run, or None when one of them needs to be looked at alone."""
        try:
            document = b"\n".join(run)  # type: ignore[arg-type]
            # Neighbours must be two whole objects, or a record could hide two and another none.
            if document[:1] != b"{" or document[-1:] != b"}" or document.count(b"}\n{") != len(run) - 1:
                return None
            if len(document) > MAX_RECORD_BYTES and max(map(len, run)) > MAX_RECORD_BYTES:  # type: ignore[arg-type]
                return None
            found = lines.decode_lines(document)
        except (msgspec.MsgspecError, TypeError, ValueError):
            return None
        return found if len(found) == len(run) else None

    def _decode_one(self, value: bytes | None) -> Message:
        if value is None:
            raise BadRecord("tombstone: null value")
        if len(value) > MAX_RECORD_BYTES:
            raise BadRecord(f"oversize: {len(value)} bytes, at most {MAX_RECORD_BYTES}")
        if value[:1] == MAGIC:
            short = (
                f"of {len(value)} bytes, {FRAME_BYTES} at least" if len(value) < FRAME_BYTES else "with another inside"
            )
            raise BadRecord(f"bad json: a schema registry's frame {short}")
        if b"" < value[:1] < b"\t":
            raise BadRecord(
                f"bad json: begins with byte {value[0]}, which is neither JSON nor the frame of a schema registry"
            )
        try:
            value.decode("utf-8")
        except UnicodeDecodeError as broken:
            raise BadRecord(f"wrong encoding: {broken}") from broken
        return decode(self._topic.message, value)

    def _place_ticks(self, columns: dict[str, pa.ChunkedArray], times_ms: Int64s | None) -> dict[int, str]:
        """Add trading day and phase; the reason of each row that has none."""
        event_time = np.concatenate([part.view(pa.int64()).to_numpy() for part in columns["event_time"].chunks])
        placement = place(event_time)
        columns["trading_day"] = pa.chunked_array([pa.array(placement.epoch_day.astype(np.int32)).view(pa.date32())])
        phases = pa.DictionaryArray.from_arrays(placement.phase, list(sessions.PHASES))
        columns["phase"] = pa.chunked_array([phases])
        outside = {
            int(position): f"closed session: event_time {_instant(event_time[position])} is on a day without a session"
            for position in np.flatnonzero(~placement.has_session)
        }
        calendar = sessions.calendar()
        early = event_time < _midnight_us(calendar.first)
        if times_ms is not None:
            got = times_ms * 1000
            early |= (got > 0) & (event_time > got + LONGEST_AHEAD_US)
        for position in np.flatnonzero(early).tolist():
            text = f"absurd time: event_time {_instant(event_time[position])} is before {calendar.first}"
            if times_ms is not None and times_ms[position] > 0:
                text += f", or more than a day after the broker got it, {_instant(times_ms[position] * 1000)}"
            outside[position] = text
        return outside

    def _place_dated(self, columns: dict[str, pa.ChunkedArray], times_ms: Int64s | None) -> dict[int, str]:
        """Add trading day and year; the reason of each row whose day has no session."""
        days: list[date] = columns[_DAY_OF[self._topic.message]].to_pylist()
        columns["trading_day"] = pa.chunked_array([pa.array(days, pa.date32())])
        columns["year"] = pa.chunked_array([pa.array([day.year for day in days], pa.int32())])
        return {
            position: f"closed session: trading_day {day} has no session"
            for position, day in enumerate(days)
            if not sessions.is_session(day)
        }

    def _strangers(self, columns: dict[str, pa.ChunkedArray]) -> dict[int, str]:
        """The reason of each row whose symbol is not in the universe on its day."""
        if self._universe is None:
            return {}
        symbols = columns["symbol"].combine_chunks().dictionary_encode()
        names, rows = symbols.dictionary.to_pylist(), symbols.indices.to_numpy()
        days = columns["trading_day"].combine_chunks().view(pa.int32()).to_numpy()
        accepted = np.zeros(len(rows), dtype=bool)
        for number, name in enumerate(names):
            mine = rows == number
            for first, last in self._universe.spans.get(name, ()):
                accepted |= mine & (days >= (first - _EPOCH).days) & (days <= (last - _EPOCH).days)
        return {
            int(at): f"unknown symbol: {names[rows[at]]} is not in the universe on {_EPOCH + timedelta(int(days[at]))}"
            for at in np.flatnonzero(~accepted)
        }

    def _message_columns(self, messages: list[Message]) -> dict[str, pa.Array]:
        """One array per field of the message."""
        columns = {}
        for field in self._fields:
            read = list(map(attrgetter(field.name), messages))
            if pa.types.is_timestamp(field.type):
                # microseconds already: a cast would take a millisecond to find that out
                columns[field.name] = pa.array(read, pa.int64()).view(field.type)
            elif read.count(None) == len(read):
                columns[field.name] = pa.nulls(len(read), field.type)
            else:
                columns[field.name] = pa.array(read, field.type)
        return columns


def _bare(run: Sequence[bytes | None]) -> list[bytes | None]:
    """The records without a schema registry's frame."""
    return [value if value is None else unframed(value) for value in run]


def _midnight_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _instant(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(int(microseconds) / 1e6, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{microseconds} us"
