"""``.env`` -> names and texts.

Belongs here: reading every line or refusing the file, so that nothing goes on with a default in place of what was meant.
Does not belong here: which names there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from stock_assets.domain.errors import PermanentError


def read_env_file(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What the file sets; nothing when there is none. ``${NAME}`` is replaced, but not within single quotes.

    Raises:
        PermanentError: it is not UTF-8, or a line of it cannot be read; the text names file and line.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as broken:
        raise PermanentError(f"{path} cannot be read: {broken.strerror}") from None
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(_decode(path, raw))):
        if binding.error or (binding.key is not None and binding.value is None):
            line = _line(binding)
            raise PermanentError(
                f"{path} line {line}: this line is not NAME=value, or a quote of it is not closed. Nothing was started."
            )
        if binding.key is not None and binding.value is not None:
            found[binding.key] = _expand(binding, {**found, **environment})
    return found


def _decode(path: Path, raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PermanentError(f"{path} line 1: the file is UTF-16; save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = raw.count(b"\n", 0, broken.start) + 1
        raise PermanentError(
            f"{path} line {line}: byte 0x{raw[broken.start]:02x} is not UTF-8; save it as UTF-8."
        ) from None


def _line(binding: Binding) -> int:
    """The line itself, not the empty ones before it."""
    text = binding.original.string
    return binding.original.line + len(text[: len(text) - len(text.lstrip())].splitlines())


def _expand(binding: Binding, known: Mapping[str, str]) -> str:
    value = binding.value or ""
    _, _, written = binding.original.string.partition("=")
    if written.lstrip().startswith("'"):
        return value
    return "".join(atom.resolve(known) for atom in parse_variables(value))
