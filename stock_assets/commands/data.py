"""command line -> demo, land, verify, adopt.

Belongs here: the options of the commands about data, and what they print.
Does not belong here: services (``local.commands``) and any of the work. Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.commands.day_argument import session_of
from stock_assets.domain.errors import PermanentError, ServiceUnavailable, StockAssetsError
from stock_assets.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from stock_assets.lake.landing import Landing
    from stock_assets.lake.prepare import Limits
    from stock_assets.topic.topics import Topic

Recording = Annotated[
    Path | None, typer.Option(help="A folder of recordings to publish.", file_okay=False, exists=True)
]


def demo(
    source: Annotated[str, typer.Option(help="'shipped' (offline, the default) or 'yahoo' (live).")] = "shipped",
    recording: Recording = None,
) -> None:
    """Start everything, publish an input, run the main job, and show what came of it."""
    from stock_assets.demo import run_demo

    _known(source, ("shipped", "yahoo"))
    run_demo(Settings.load(), source, recording, _console())


def land(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped; the drain sensor stands by meanwhile.")
    ] = False,
    every: Annotated[float, typer.Option(help="With --follow: seconds between two looks.")] = 0.5,
) -> None:
    """Land what the topics hold, without a Dagster run."""
    from stock_assets.lake.landing import land as land_topic
    from stock_assets.lake.prepare import Limits
    from stock_assets.topic.topics import TOPICS

    settings = Settings.load()
    limits = Limits.of(settings)
    if follow:
        _follow(settings, limits, every)
        return
    broken = False
    for topic in TOPICS.values():
        try:
            for landing in land_topic(settings.lake_root, settings.broker, topic, limits, settings.universe):
                typer.echo(_line(topic, landing))
        except StockAssetsError as fault:  # the other topics have their turn
            typer.secho(f"{topic.name}: {fault}", fg=typer.colors.RED, err=True)
            broken = True
    if broken:
        raise typer.Exit(1)


def _follow(settings: Settings, limits: Limits, every_s: float) -> None:
    import logging

    from stock_assets.defs.reports import LandingReports
    from stock_assets.lake.follow import follow
    from stock_assets.signals import stop_event
    from stock_assets.topic.topics import TOPICS

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    stop = stop_event()
    with LandingReports(settings) as reports:

        def landed(topic: Topic, landing: Landing) -> None:
            typer.echo(_line(topic, landing))
            reports.add(topic, landing)

        root, broker, topics = settings.lake_root, settings.broker, TOPICS.values()
        follow(root, broker, topics, limits, every_s, stop, landed, settings.universe)


def _line(topic: Topic, landing: Landing) -> str:
    return (
        f"{topic.name}: {landing.offsets} offsets = {landing.accepted} accepted + {landing.rejected} rejected + "
        f"{landing.gaps} gaps, {len(landing.sessions)} sessions"
    )


def verify(
    day: Annotated[str, typer.Argument(help="Session YYYY-MM-DD; without it, everything.")] = "",
    every_record: Annotated[
        bool, typer.Option("--every-record", help="Compare each row with its record, not a sample.")
    ] = False,
) -> None:
    """Prove that nothing is missing or twice, that rows say what their records say, and that the warehouse equals the lake."""
    from stock_assets.demo import show_completeness
    from stock_assets.domain.tables import DAILY_METRICS
    from stock_assets.lake.tables import read_sessions
    from stock_assets.warehouse.connect import connect
    from stock_assets.warehouse.load import set_up
    from stock_assets.warehouse.verify import differences

    settings, console, wanted = Settings.load(), _console(), session_of(day) if day else None
    complete = show_completeness(settings, console, wanted)
    as_sent = _show_comparison(settings, console, wanted, every_record)
    first, last = wanted or date.min, wanted or date.max
    rows = read_sessions(settings.lake_root, DAILY_METRICS, list(DAILY_METRICS.names), first, last)
    with connect(settings.snowflake) as connection:
        set_up(connection, settings.snowflake)
        found = differences(connection, rows, DAILY_METRICS, first, last)
    for difference in found[:20]:
        console.print(f"[red]{difference}[/]", highlight=False)
    console.print(
        f"Warehouse: {rows.num_rows} rows of the lake, " + ("all equal" if not found else f"{len(found)} differences")
    )
    if not complete or not as_sent or found:
        raise typer.Exit(1)


def _show_comparison(settings: Settings, console: Console, day: date | None, every: bool) -> bool:
    """Print how rows compare with their records, and say whether none differs."""
    from stock_assets.lake.comparison import compare
    from stock_assets.topic.topics import TOPICS

    days = [day] if day else None
    try:
        compared = [
            found
            for topic in TOPICS.values()
            for found in compare(settings.lake_root, settings.broker, topic, days, every=every)
        ]
    except ServiceUnavailable as fault:
        console.print(f"[yellow]Records: rows were compared with none: {fault}[/]", highlight=False)
        return True
    differences = [difference for found in compared for difference in found.differences]
    for difference in differences[:20]:
        console.print(f"[red]{difference}[/]", highlight=False)
    rows, looked_at, gone = (
        sum(getattr(found, name) for found in compared) for name in ("rows", "compared", "not_held")
    )
    console.print(
        f"Records: {looked_at:,} of {rows:,} rows compared with their records, "
        + (f"{len(differences):,} differ" if differences else "all equal")
        + (f"; of {gone:,} the topics hold no record any more" if gone else "")
    )
    return not differences


def adopt_topic(stage: Annotated[str, typer.Argument(help="ticks, bars or actions")]) -> None:
    """Go on from a topic that was created again, or that lost records before they were landed."""
    from stock_assets.lake.adopt import adopt_topic as adopt
    from stock_assets.topic.topics import TOPICS

    settings = Settings.load()
    _known(stage, tuple(TOPICS))
    landing = adopt(settings.lake_root, settings.broker, TOPICS[stage])
    typer.echo(f"{TOPICS[stage].name} with id {landing.topic_id} is adopted; {landing.gaps} offsets are stored as lost")


def topics() -> None:
    """Create the topics that do not exist yet."""
    from stock_assets.topic.topics import TOPICS, create_topics

    settings = Settings.load()
    created = create_topics(settings.broker, settings.kafka_partitions)
    for topic in TOPICS.values():
        typer.echo(f"{topic.name}: {'created' if topic.name in created else 'exists'}")


def _console() -> Console:
    """A console that does not fold tables when its output goes into a file."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=140)


def _known(value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PermanentError(f"{value!r} is none of {', '.join(choices)}")
