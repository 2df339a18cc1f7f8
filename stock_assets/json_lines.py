"""what a process logs and prints -> one JSON object per line.

Belongs here: the form of a line, for whatever library logs it, and that no secret is in one. ``time`` (UTC), ``level``,
``message``; ``service``, ``logger``, ``run``, ``job``, ``asset``, ``sessions`` and ``exception`` where they are known.
Does not belong here: which processes speak so (``local.json_program``), and services that are not Python.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from stock_assets.domain.redaction import redacted
from stock_assets.settings.platform import Settings
from stock_assets.settings.secret_files import secret_values

SESSIONS_TAG = "stock_assets/sessions"
"""Tag of a run with the sessions that it is about, as ``observability.runs`` names it."""
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_AHEAD = 80
"""Characters of a printed line within which a level is one."""


class JsonLines:
    """How one process speaks: formats records, and wraps what is printed."""

    def __init__(self, service: str, secrets: Sequence[str] = ()) -> None:
        self._service = service
        # what is short is in many a word
        self._secrets = [secret for secret in secrets if len(secret) >= 6]

    def line(self, level: str, message: str, time: datetime | None = None, **about: Any) -> str:
        """One object, without the line's end; what is not known is left out."""
        told: dict[str, Any] = {
            "time": (time or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level),
            "service": self._service,
            "message": message,
            **about,
        }
        kept = {name: self._hidden(value) for name, value in told.items() if value not in (None, "", ())}
        return json.dumps(kept | {"message": self._hidden(message)}, ensure_ascii=False, default=str)

    def format(self, record: logging.LogRecord) -> str:
        """A record of any library; one of a run names it, and what it is about."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        event, tags = meta.get("dagster_event"), meta.get("job_tags") or {}
        asset = getattr(event, "asset_key", None)
        failed = getattr(getattr(event, "event_specific_data", None), "error", None)
        exception: str | None
        if record.exc_info and record.exc_info[0]:
            exception = "".join(traceback.format_exception(*record.exc_info))
        else:
            exception = failed.to_string() if failed is not None else None
        return self.line(
            record.levelname,
            str(meta.get("orig_message") or record.getMessage()),
            datetime.fromtimestamp(record.created, UTC),
            logger=record.name,
            run=meta.get("run_id"),
            job=meta.get("job_name"),
            asset=asset.to_user_string() if asset is not None else meta.get("step_key"),
            sessions=getattr(event, "partition", None) or tags.get(SESSIONS_TAG) or tags.get("dagster/partition"),
            exception=exception,
        )

    def printed(self, text: str) -> str:
        """A printed line; one that is an object already stays as it is, but for secrets."""
        if text.startswith("{"):
            try:
                if isinstance(json.loads(text), dict):
                    return str(self._hidden(text))
            except ValueError:
                pass
        level = _LEVEL.search(text[:_AHEAD])
        return self.line(level[1] if level else "INFO", text)

    def _hidden(self, value: Any) -> Any:
        return redacted(value, self._secrets) if isinstance(value, str) else value


class JsonStream(io.TextIOBase):
    """A stream whose lines arrive at another one as objects."""

    def __init__(self, target: TextIO, lines: JsonLines) -> None:
        self._target, self._lines, self._rest = target, lines, ""

    def write(self, text: str) -> int:
        *whole, self._rest = (self._rest + text).split("\n")
        for each in whole:
            if each.strip():
                self._target.write(self._lines.printed(each.rstrip()) + "\n")
        return len(text)

    def flush(self) -> None:
        """Hand on what is complete; a line is held back until it ends."""
        self._target.flush()

    def fileno(self) -> int:
        return self._target.fileno()

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


def speak_json(service: str, secrets: Sequence[str]) -> None:
    """From now on this process, and what is forked from it, speaks so; asked a second time, nothing changes.

    Each library brings handlers with forms of their own: here the one method changes by which all of them form a line.
    """
    if isinstance(sys.stdout, JsonStream):
        return
    lines = JsonLines(service, secrets)
    sys.stdout, sys.stderr = JsonStream(sys.stdout, lines), JsonStream(sys.stderr, lines)
    logging.StreamHandler.format = lambda _, record: lines.format(record)  # type: ignore[method-assign, assignment]

    def raised(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(lines.line("CRITICAL", f"{kind.__name__}: {error}", exception=text) + "\n")

    sys.excepthook = raised


def wanted(settings: Settings) -> bool:
    """Whether services speak JSON."""
    return settings.local.log_format == "json"


def begin(settings: Settings) -> None:
    """Let this process speak JSON, if it is a service and the settings say so."""
    if wanted(settings) and settings.local.service:
        speak_json(settings.local.service, secret_values(settings.values))
