"""command line -> records that nobody has checked.

Belongs here: the options of ``stock-assets produce raw``, and what it prints. Does not belong here: reading and publishing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.process import load_and_export


def raw(
    topic: Annotated[str, typer.Argument(help="ticks, bars or actions")],
    file: Annotated[Path, typer.Argument(help="One record a line; - for standard input.", allow_dash=True)],
    as_base64: Annotated[
        bool, typer.Option("--base64", help="Each line is a record in base64, which may hold any byte.")
    ] = False,
    partition: Annotated[
        int | None, typer.Option(help="Into this partition, in the order of the file; by default into any.", min=0)
    ] = None,
) -> None:
    """Lines of a file as they are, unchecked: what a landing refuses of them is in quarantine."""
    from contextlib import nullcontext
    from typing import BinaryIO

    from stock_assets.sources.raw_lines import raw_lines
    from stock_assets.topic.publish_stream import publish_stream
    from stock_assets.topic.topics import create_topics, topics_of

    settings = load_and_export()
    topics = topics_of(settings.broker)
    if topic not in topics:
        raise PermanentError(f"{topic!r} is none of {', '.join(topics)}")
    if str(file) != "-" and not file.is_file():
        raise PermanentError(f"there is no file {file}")
    create_topics(settings.broker, settings.kafka.partitions, settings.kafka.replication)
    given: BinaryIO = typer.get_binary_stream("stdin") if str(file) == "-" else file.open("rb")
    with nullcontext(given) if str(file) == "-" else given as lines:
        records = ((0.0, record) for record in raw_lines(lines, as_base64=as_base64))
        done = publish_stream(settings.broker, topics[topic], records, partition=partition)
    typer.echo(f"published {done.records:,} records to {topics[topic].name}, each acknowledged by the broker")
