"""rows -> CSV that spreadsheets may open.

Belongs here: how each kind of value is written, and that no text is taken for a formula.
Does not belong here: which rows (``frames``, ``sql``), where to (the commands).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take a text for a formula by."""
_TO_QUOTE = re.compile('[",\\r\\n]')


def write_csv(batches: Iterable[pa.RecordBatch], names: list[str], file: IO[str]) -> int:
    """Write a header and the rows; returns how many.

    Days and instants are ISO 8601 (instants in UTC, with Z), NULL is empty, bytes are hexadecimal, and a text that begins like a
    formula gets an apostrophe before it. Numbers are as they are.
    """
    file.write(_line(map(_text, names)))
    count = 0
    for batch in batches:
        columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
        file.writelines(map(_line, zip(*columns, strict=True)))
        count += batch.num_rows
    return count


def _line(cells: Iterable[str]) -> str:
    # Python's writer leaves a lone carriage return bare, at which readers end the line
    return ",".join(_quoted(cell) if _TO_QUOTE.search(cell) else cell for cell in cells) + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _cell(value: Any) -> str:
    for kind, written in _WRITTEN:
        if isinstance(value, kind):
            return written(value)
    return "" if value is None else _text(str(value)) if isinstance(value, (list, dict)) else _number(value)


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def _number(value: Any) -> str:
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)


_WRITTEN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, _text),
    (bool, lambda value: "true" if value else "false"),
    (datetime, lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (date, date.isoformat),
    (bytes, bytes.hex),
)
"""datetime before date, and bool before numbers: each is also the other."""
