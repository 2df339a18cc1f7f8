"""lines of a file -> records as they are.

Belongs here: reading records that nobody has checked, to see what a landing makes of them.
Does not belong here: any meaning of a record; recorded market data (``recording``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import BinaryIO

from stock_assets.domain.errors import BadRecord

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes; longer than any record that a broker takes."""


def raw_lines(file: BinaryIO, *, as_base64: bool = False) -> Iterator[bytes]:
    """Each line without its newline, an empty one too; with ``as_base64`` what it encodes.

    Raises:
        BadRecord: a line is no base64, or too long for a record; the text names it.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        record = line.removesuffix(b"\n")
        if len(record) > LONGEST_LINE:
            raise BadRecord(f"line {number}: longer than {LONGEST_LINE:,} bytes")
        if as_base64:
            try:
                record = base64.b64decode(record.strip(), validate=True)
            except binascii.Error as broken:
                raise BadRecord(f"line {number}: no base64: {broken}") from broken
        yield record
