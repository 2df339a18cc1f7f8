"""chunk of records -> columns of the good ones, reasons of the bad ones.

Belongs here: decoding in bulk, isolating bad records, and the reason of each rejection.
Does not belong here: rows (``rows``), offsets and commits (``commit``), the fields themselves (``domain.messages``), and
which session a row belongs to (``placement``).

A run of records that all look alike is decoded without an object for each (``uniform``). Any other run is decoded as one
newline-delimited document; anything wrong with it splits the run in halves until the bad record stands alone. A reason
begins with its class: ``bad json``, ``wrong type``, ``missing field``, ``out of range``, ``unknown symbol``, ``absurd
time``, ``closed session``, ``oversize``, ``tombstone``, ``wrong encoding``, ``invalid``.

Whatever is raised about a record, foreseen or not, rejects that record; only a lack of memory is no fault of a record.

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
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Message, check_unread, decode
from stock_assets.domain.session_index import Int64s
from stock_assets.domain.shares import share_column
from stock_assets.domain.universe import Universe
from stock_assets.landing.placement import place_rows, strangers
from stock_assets.landing.uniform import UniformDecoder
from stock_assets.topic.schema_registry import FRAME_BYTES, MAGIC, unframed
from stock_assets.topic.topics import Topic

MAX_RECORD_BYTES = 64 * 1024
_RUN_RECORDS = 1000
_DERIVED = {"year", "phase"}
_AS_MESSAGES: dict[str, Any] = {"frozen": True, "kw_only": True, "gc": False}


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

    def followed_by(self, other: Decoded, at: int) -> Decoded:
        """This, and what became of the records from position ``at`` on."""
        both = [part.columns for part in (self, other) if part.accepted]
        return Decoded(
            [*self.accepted, *(at + position for position in other.accepted)],
            {
                name: pa.chunked_array([chunk for columns in both for chunk in columns[name].chunks])
                for name in (both[0] if both else ())
            },
            [*self.rejected, *(at + position for position in other.rejected)],
            [*self.reasons, *other.reasons],
            self.newer | {at + position for position in other.newer},
        )


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
        try:
            return self._decode(values, times_ms)
        except MemoryError:
            raise
        except Exception as broken:  # noqa: BLE001 - whatever it is, it must not stop the topic
            if len(values) == 1:
                return Decoded([], {}, [0], [f"invalid: {type(broken).__name__}: {broken}"], frozenset())
        half = len(values) // 2
        before, after = None if times_ms is None else times_ms[:half], None if times_ms is None else times_ms[half:]
        return self.decode(values[:half], before).followed_by(self.decode(values[half:], after), half)

    def _decode(self, values: Sequence[bytes | None], times_ms: Int64s | None) -> Decoded:
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
            outside = place_rows(self._topic.message, columns, known) | strangers(self._universe, columns)
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
        return {
            field.name: _stored(found[field.name], field.type)
            if field.name in found
            else pa.nulls(len(run), field.type)
            for field in self._fields
        }

    def _decode_run(self, run: Sequence[bytes | None], first: int, into: _Sorted, may_be_framed: bool = True) -> None:
        """Sort records, the first of which is at ``first`` in the chunk."""
        found = self._decode_together(run, self._exact_lines)
        # Only now, and only where there is a byte 0 at all: runs without frames are not to pay for those of others.
        if found is None and may_be_framed and MAGIC in b"".join(filter(None, run)):
            self._decode_run(_bare(run), first, into, may_be_framed=False)
            return
        if found is None and (found := self._decode_newer(run)) is not None:
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
            if not _are_apart(document, run):
                return None
            if len(document) > MAX_RECORD_BYTES and max(map(len, run)) > MAX_RECORD_BYTES:  # type: ignore[arg-type]
                return None
            found = lines.decode_lines(document)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return None
        return found if len(found) == len(run) else None

    def _decode_newer(self, run: Sequence[bytes | None]) -> list[Message] | None:
        """As ``_decode_together``, for records that may have fields which this version of the schema does not know."""
        found = self._decode_together(run, self._lines)
        try:
            for value in run if found is not None else ():
                check_unread(value or b"")
        except ValueError:
            return None
        return found

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
        return decode(self._topic.message, value)

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
            elif pa.types.is_decimal(field.type):
                known = np.array([value is not None for value in read])
                columns[field.name] = share_column(np.array([value or 0.0 for value in read]), known)
            else:
                columns[field.name] = pa.array(read, field.type)
        return columns


def _stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A uniform run's column as its type; equal ones but for shares, and instants, which are microseconds already."""
    return share_column(column.to_numpy()) if pa.types.is_decimal(kind) else column.view(kind)


def _are_apart(document: bytes, run: Sequence[bytes | None]) -> bool:
    """Whether each of the joined records holds one whole JSON value at least, if the document is JSON.

    Each begins with ``{`` and ends with ``}``. No value goes on from ``}`` over a newline to ``{``: a value ends at each
    boundary, and as many values as records are one each. A count of boundaries alone would not do, as a record may hold
    something that looks like one (two objects on two lines) and make up for a record that is half of one.
    """
    boundaries = len(run) - 1
    if document[:1] != b"{" or document[-1:] != b"}" or document.count(b"}\n{") < boundaries:
        return False
    # without a newline inside of a record, each of them is a boundary
    return document.count(b"\n") == boundaries or all(value[:1] == b"{" and value[-1:] == b"}" for value in run)  # type: ignore[index]


def _bare(run: Sequence[bytes | None]) -> list[bytes | None]:
    """The records without a schema registry's frame."""
    return [value if value is None else unframed(value) for value in run]
