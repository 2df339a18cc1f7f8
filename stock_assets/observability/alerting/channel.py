"""a message -> whoever is to be told, through Apprise.

Belongs here: whether an address can be used, sending, and saying what failed without saying the address: it opens the channel.
Does not belong here: what is sent (``message``), trying again (``sender``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stock_assets.observability.alerting.message import Message

if TYPE_CHECKING:
    from apprise import Apprise

URL = "ALERTS_URL"


def wrong_address(url: str) -> str:
    """Why nothing can be sent to this address, without it; empty when Apprise understands it."""
    return (
        ""
        if not url or _channel(url) is not None
        else f"{URL} is no address that Apprise knows: it begins with {_scheme(url)}"
    )


def send(url: str, message: Message) -> str:
    """Send; returns why that failed, empty when the channel took it."""
    from apprise import NotifyFormat, NotifyType

    channel = _channel(url)
    if channel is None:
        return wrong_address(url)
    kind = NotifyType.FAILURE if message.bad else NotifyType.SUCCESS
    with _listening() as lines:
        taken = channel.notify(message.body, title=message.title, notify_type=kind, body_format=NotifyFormat.TEXT)
    if taken:
        return ""
    name = getattr(channel[0], "service_name", None) or _scheme(url)
    status = re.search(r"error=(\d{3})", " ".join(lines))
    reason = f"it answered {status[1]}" if status else "it does not answer, or refuses"
    return f"the channel ({name}) did not take the message: {reason}"


def _channel(url: str) -> Apprise | None:
    with _listening():
        import apprise

        found = apprise.Apprise()
        return found if found.add(url) and len(found) else None


@contextmanager
def _listening() -> Iterator[list[str]]:
    """The warnings of Apprise, which go nowhere else: its lines, and those of its client, quote the address."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3")]
    before = [(each.propagate, each.handlers) for each in loggers]
    for each in loggers:
        each.propagate, each.handlers = False, [handler]
    try:
        yield lines
    finally:
        for each, (propagate, handlers) in zip(loggers, before, strict=True):
            each.propagate, each.handlers = propagate, handlers


def _scheme(url: str) -> str:
    scheme, found, _ = url.partition("://")
    return f"{scheme[:20]}://" if found and scheme.isalnum() else "no scheme such as json://"
