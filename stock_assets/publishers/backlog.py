"""a source that ends -> topics: its messages that the lake does not hold yet.

Belongs here: the inputs of the demo and of ``produce``, and publishing what is new of them.
Does not belong here: sources that go on for ever (``service``), and what a vendor's history lacks (``catch_up``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from stock_assets.domain.messages import Message
from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    from stock_assets.topic.publish import Published


@dataclass(frozen=True)
class Backlog:
    """Messages, and where they come from in words.

    Attributes:
        refused: what could not be taken, and why; complete once all messages were read.
    """

    label: str
    messages: Iterable[Message]
    refused: list[str] = field(default_factory=list)


def backlog_of(settings: Settings, source: str, recording: Path | None) -> Backlog:
    """The messages of ``source``: ``shipped`` (offline), ``yahoo`` (live), or a folder of recordings."""
    if recording is not None:
        from stock_assets.sources.recording import read_recording

        return Backlog(f"recordings of {recording}", read_recording(recording))
    if source == "yahoo":
        refused: list[str] = []
        return Backlog(f"Yahoo, one year of {len(settings.symbols)} symbols", _yahoo_year(settings, refused), refused)
    from stock_assets.sources.shipped_history import require_data, shipped_messages

    require_data()
    return Backlog(
        "real daily bars of 5 symbols, and ticks simulated to agree with the last 3 sessions",
        shipped_messages(settings.dagster.first_session),
    )


def publish_new(settings: Settings, backlog: Backlog) -> Published:
    """Publish what the lake does not hold yet; each record is acknowledged by the broker."""
    from stock_assets.raw.known import Known
    from stock_assets.topic.publish import publish_with_progress
    from stock_assets.topic.topics import create_topics

    create_topics(settings.broker, settings.kafka.partitions, settings.kafka.replication)
    new = Known(settings.lake_root).new(backlog.messages)
    return publish_with_progress(settings.broker, new, None, "publishing")


def _yahoo_year(settings: Settings, refused: list[str]) -> Iterator[Message]:
    from stock_assets.domain.sessions import session_on_or_before
    from stock_assets.publishers.each_symbol import fetch_each
    from stock_assets.sources.yahoo import fetch_history
    from stock_assets.sources.yahoo_session import http_session

    last = session_on_or_before(datetime.now(UTC).date())
    session = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
    first = last - timedelta(days=365)
    for _symbol, fetched in fetch_each(settings.symbols, lambda symbol: fetch_history(symbol, first, last, session)):
        refused += fetched.refused
        yield from fetched.messages
