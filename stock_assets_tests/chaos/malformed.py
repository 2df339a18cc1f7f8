"""bytes of a good record -> bytes that are no record: the name of each way, and the reasons it may be refused for.

Belongs here: damage that needs no knowledge of the fields. Does not belong here: wrong fields (``misstated``).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from random import Random

Mangle = Callable[[bytes, Random], bytes | None]

FRAME = b"\0\0\0\0\7"
MOST_BYTES = 64 * 1024
_JSON, _TYPE, _ENCODING = ("bad json",), ("wrong type",), ("wrong encoding",)
_CUT = ("bad json", "out of range")
"""Of a number, the digits that are left may be wrong by themselves."""


def adding(value: bytes, member: bytes) -> bytes:
    """The object with one more member."""
    return value[:-1] + b"," + member + b"}"


def _into_text(value: bytes, inserted: bytes) -> bytes:
    """With these bytes as the beginning of its first text."""
    return value.replace(b'"symbol":"', b'"symbol":"' + inserted, 1)


MALFORMED: dict[str, tuple[tuple[str, ...], Mangle]] = {
    "truncated": (_CUT, lambda value, chance: value[: chance.randrange(1, len(value))]),
    "beginning missing": (("bad json", "wrong type"), lambda value, chance: value[chance.randrange(2, 9) :]),
    "empty": (_JSON, lambda value, _: b""),
    "white space alone": (_JSON, lambda value, _: b" \n\t "),
    "tombstone": (("tombstone",), lambda value, _: None),
    "arrays 1000 deep": (_JSON, lambda value, _: b"[" * 1000),
    "objects 1000 deep": (_JSON, lambda value, _: b'{"a":' * 1000),
    "arrays 1000 deep, closed": (("bad json", "wrong type"), lambda value, _: b"[" * 1000 + b"]" * 1000),
    "open arrays 1000 deep in a field": (_JSON, lambda value, _: adding(value, b'"x":' + b"[" * 1000)),
    "arrays 1000 deep in a field": (_JSON, lambda value, _: adding(value, b'"x":' + b"[" * 1000 + b"]" * 1000)),
    "objects 1000 deep in a field": (
        _JSON,
        lambda value, _: adding(value, b'"x":' + b'{"a":' * 1000 + b"1" + b"}" * 1000),
    ),
    "one level too deep": (_JSON, lambda value, _: adding(value, b'"x":' + b"[" * 64 + b"]" * 64)),
    "no UTF-8 in a field": (_ENCODING, lambda value, _: _into_text(value, b"\xff\xfe")),
    "no UTF-8 in an unknown field": (_ENCODING, lambda value, _: adding(value, b'"x":"\xc3\x28"')),
    "byte order mark": (("bad json", "wrong encoding"), lambda value, _: b"\xef\xbb\xbf" + value),
    "UTF-16": (_JSON, lambda value, _: value.decode().encode("utf-16-le")),
    "UTF-16 with its mark": (("bad json", "wrong encoding"), lambda value, _: value.decode().encode("utf-16")),
    "gzip": (("bad json", "wrong encoding"), lambda value, _: gzip.compress(value, mtime=0)),
    "random bytes": (("bad json", "wrong encoding"), lambda value, chance: b"\x80" + chance.randbytes(40)),
    "NUL first": (_JSON, lambda value, _: b"\0" + value),
    "NUL last": (_JSON, lambda value, _: value + b"\0"),
    "NUL in a text": (_JSON, lambda value, _: _into_text(value, b"\0")),
    "newline in a text": (_JSON, lambda value, _: _into_text(value, b"}\n{")),
    "half a surrogate pair": (_JSON, lambda value, _: _into_text(value, b"\\ud83d")),
    "in an array": (_TYPE, lambda value, _: b"[" + value + b"]"),
    "null": (_TYPE, lambda value, _: b"null"),
    "a number": (_TYPE, lambda value, chance: str(chance.randrange(10**9)).encode()),
    "a text": (_TYPE, lambda value, _: b'"' + value.replace(b'"', b"'") + b'"'),
    "two records": (_JSON, lambda value, _: value + value),
    "two records on two lines": (_JSON, lambda value, _: value + b"\n" + value),
    "three records on three lines": (_JSON, lambda value, _: b"\n".join([value] * 3)),
    "two records with a comma": (_JSON, lambda value, _: value + b"," + value),
    "a brace too many": (_JSON, lambda value, _: value + b"}"),
    "trailing comma": (_JSON, lambda value, _: value[:-1] + b",}"),
    "single quotes": (_JSON, lambda value, _: value.replace(b'"', b"'")),
    "a comment": (_JSON, lambda value, _: b"/* */" + value),
    "vertical tab before it": (_JSON, lambda value, _: b"\x0b" + value),
    "half a frame": (_JSON, lambda value, _: FRAME[:3]),
    "a frame alone": (_JSON, lambda value, _: FRAME),
    "a frame a byte short": (("bad json", "wrong type"), lambda value, _: FRAME[:-1] + value),
    "a frame in a frame": (_JSON, lambda value, _: FRAME + FRAME + value),
    "another frame": (_JSON, lambda value, _: b"\1" + FRAME[1:] + value),
    "framed and truncated": (_CUT, lambda value, _: FRAME + value[: len(value) // 2]),
    "framed twice over": (_JSON, lambda value, _: FRAME + value + FRAME + value),
}
"""Small records."""

LARGE: dict[str, tuple[tuple[str, ...], Mangle]] = {
    "a byte too large": (("oversize",), lambda value, _: padded(value, MOST_BYTES + 1)),
    "huge": (("oversize",), lambda value, _: padded(value, 900_000)),
    "huge and deep": (("oversize",), lambda value, _: adding(value, b'"x":' + b"[" * 400_000 + b"]" * 400_000)),
}
"""Records of which few are enough."""


def padded(value: bytes, size: int) -> bytes:
    """With an unknown field that makes it so many bytes long."""
    return adding(value, b'"x":"' + b"x" * (size - len(value) - len(b',"x":""')) + b'"')
