"""command line -> look into quarantine, redrive.

Belongs here: the options of these commands, and what they print. Does not belong here: what is in quarantine and how it
is accepted (``lake``). Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.commands.day_argument import day_of
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from stock_assets.raw.quarantine import RejectedRecord
    from stock_assets.settings.platform import Settings
    from stock_assets.topic.topics import Topic

ALL = "all"
_DAY_HELP = (
    "Only records that the broker stored on this day (YYYY-MM-DD, exchange-local): a rejected record has no session."
)
_TOPIC_HELP = "ticks, bars or actions; without it, all."
Day = Annotated[str, typer.Option(help=_DAY_HELP)]
TopicName = Annotated[str, typer.Option(help=_TOPIC_HELP)]

quarantine = typer.Typer(
    help="Look at the records that were rejected and not redriven.", no_args_is_help=True, rich_markup_mode=None
)


@quarantine.command("list")
def list_reasons(topic: TopicName = "", day: Day = "") -> None:
    """Count the records in quarantine per topic and reason."""
    from rich.console import Console

    from stock_assets.commands.grid import show_table
    from stock_assets.raw.quarantine import reasons

    settings, wanted = load_and_export(), day_of(day) if day else None
    topics, console = _topics(settings, topic), Console()
    for chosen in topics:
        found = reasons(settings.lake_root, chosen, wanted)
        if not found:
            typer.echo(f"{chosen.stage}: nothing is in quarantine{f' of {wanted}' if wanted else ''}")
            continue
        # Texts of records are shown as they are: no markup, no control characters.
        rows = [
            (
                _printable(entry.reason),
                entry.records,
                _moment(entry.first_time),
                _moment(entry.last_time),
                "{} {}".format(*entry.example_at),
                _printable(entry.example),
            )
            for entry in found
        ]
        title = f"{chosen.stage}: {sum(entry.records for entry in found):,} records in quarantine"
        names = ("reason", "records", "first (UTC)", "last (UTC)", "partition offset", "example")
        show_table(console, title, names, rows, ["example", "first (UTC)", "last (UTC)"])


@quarantine.command("show")
def show(
    topic: Annotated[str, typer.Argument(help="ticks, bars or actions")],
    partition: Annotated[int, typer.Argument(help="Partition of the topic.")],
    offset: Annotated[int, typer.Argument(help="Offset of the record.")],
) -> None:
    """Show everything that is known of one rejected record."""
    from stock_assets.raw.quarantine import rejected_record

    settings = load_and_export()
    (chosen,) = _topics(settings, topic)
    records = rejected_record(settings.lake_root, chosen, partition, offset)
    if not records:
        raise PermanentError(f"{chosen.name} partition {partition} offset {offset}: no record there was rejected")
    for record in records:
        typer.echo(describe(record))


def describe(record: RejectedRecord) -> str:
    """A record as text, its payload last."""
    if record.redriven_by is None:
        state = "in quarantine"
    else:
        state = f"accepted into {record.redriven_into} by {record.redriven_by}"
    facts = {
        "topic": f"{record.topic} (id {record.topic_id})",
        "partition": record.partition,
        "offset": record.offset,
        "kafka time": _moment(record.kafka_time) + " UTC",
        "landing": record.landing_id,
        "reason": _printable(record.reason),
        "state": state,
        "payload": "none" if record.payload is None else f"{len(record.payload):,} bytes",
    }
    lines = [f"{name + ':':<11}{value}" for name, value in facts.items()]
    return "\n".join([*lines, *payload_lines(record.payload)])


def payload_lines(payload: bytes | None) -> list[str]:
    """A payload to look at: as text if it is printable UTF-8, else in hexadecimal beside its printable characters."""
    if not payload:
        return []
    try:
        lines = payload.decode("utf-8").splitlines()
        if all(character.isprintable() or character == "\t" for line in lines for character in line):
            return lines
    except UnicodeDecodeError:
        pass
    return [
        f"{first:08x}  {part.hex(' '):<47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in part)}"
        for first in range(0, len(payload), 16)
        for part in (payload[first : first + 16],)
    ]


def redrive(
    reason: Annotated[str, typer.Option(help="Class of reason as 'quarantine list' shows it, or 'all'.")],
    day: Day = "",
    topic: TopicName = "",
) -> None:
    """Try records in quarantine again with today's rules, and land those that are good now under their own offsets."""
    from stock_assets.defs.reports import report_redriven
    from stock_assets.landing.decode import Decoder
    from stock_assets.landing.prepare import Limits
    from stock_assets.raw.quarantine import reasons
    from stock_assets.raw.redrive import redrive as redrive_topic

    settings, wanted = load_and_export(), day_of(day) if day else None
    topics = _topics(settings, topic)
    kind = None if reason == ALL else reason
    if kind == "withdrawn":
        raise PermanentError(
            "withdrawn records are put back one by one: stock-assets withdraw TOPIC PARTITION OFFSET --undo"
        )
    waiting = {
        chosen.stage: [entry.reason for entry in reasons(settings.lake_root, chosen, wanted)] for chosen in topics
    }
    present = sorted({name for names in waiting.values() for name in names})
    if kind is not None and kind not in present:
        raise PermanentError(
            f"nothing is in quarantine because of {kind!r}; there is: {', '.join(present) or 'nothing at all'}"
        )
    limits = Limits.of(settings)
    for chosen in topics:
        rules = Decoder(chosen, settings.universe)
        for part in redrive_topic(settings.lake_root, chosen, kind, wanted, limits, rules):
            typer.echo(
                f"{chosen.name}: {part.accepted + part.rejected:,} tried = {part.accepted:,} accepted + {part.rejected:,} still "
                f"rejected, {len(part.sessions)} sessions"
            )
            for session, rows in part.sessions.items():
                typer.echo(f"  {session}: {rows:,}")
            report_redriven(settings, chosen, part)


def withdraw(
    topic: Annotated[str, typer.Argument(help="ticks, bars or actions")],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the record.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Put a withdrawn record back.")] = False,
) -> None:
    """Take an accepted record out of its session, into quarantine; what was built from it is built again."""
    from stock_assets.landing.decode import Decoder
    from stock_assets.raw.withdrawal import reinstate
    from stock_assets.raw.withdrawal import withdraw as take_out

    settings = load_and_export()
    (chosen,) = _topics(settings, topic)
    if undo:
        done = reinstate(settings.lake_root, chosen, partition, offset, Decoder(chosen, settings.universe))
    else:
        done = take_out(settings.lake_root, settings.broker, chosen, partition, offset, reason)
    typer.echo(
        f"{chosen.name} partition {partition} offset {offset}, {done.symbol} of {done.day}: "
        f"{'accepted again' if undo else 'withdrawn'} (version {done.version})"
    )


def _topics(settings: Settings, name: str) -> list[Topic]:
    from stock_assets.topic.topics import topics_of

    known = topics_of(settings.broker)
    if not name:
        return list(known.values())
    if name not in known:
        raise PermanentError(f"{name!r} is none of {', '.join(known)}")
    return [known[name]]


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment is not None else "unknown"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
