"""command line -> land, topics, adopt.

Belongs here: the options of the commands about data, and what they print.
Does not belong here: services (``commands.services``) and any of the work. Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.domain.errors import PermanentError, StockAssetsError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from stock_assets.landing.commit import Landing
    from stock_assets.landing.prepare import Limits
    from stock_assets.topic.topics import Topic


def land(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped; the drain sensor stands by meanwhile.")
    ] = False,
    every: Annotated[float, typer.Option(help="With --follow: seconds between two looks.")] = 0.5,
) -> None:
    """Land what the topics hold, without a Dagster run."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    from stock_assets.domain.errors import LandingConflict
    from stock_assets.landing.commit import land as land_topic
    from stock_assets.landing.prepare import Limits
    from stock_assets.topic.topics import topics_of

    # if the drain sensor commits first, plan again from its snapshot
    retrying = Retrying(
        retry=retry_if_exception_type(LandingConflict),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=1, max=10),
        reraise=True,
    )

    settings = load_and_export()
    limits = Limits.of(settings)
    if follow:
        _follow(settings, limits, every)
        return
    broken = False

    def land_all(topic: Topic) -> None:
        for landing in land_topic(settings.lake_root, settings.broker, topic, limits, settings.universe):
            typer.echo(_line(topic, landing))

    for topic in topics_of(settings.broker).values():
        try:
            retrying(land_all, topic)
        except StockAssetsError as fault:  # the other topics have their turn
            typer.secho(f"{topic.name}: {fault}", fg=typer.colors.RED, err=True)
            broken = True
    if broken:
        raise typer.Exit(1)


def _follow(settings: Settings, limits: Limits, every_s: float) -> None:
    import logging

    from stock_assets.defs.reports import LandingReports
    from stock_assets.landing.follow import follow
    from stock_assets.signals import stop_event
    from stock_assets.topic.topics import topics_of

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    stop = stop_event()
    with LandingReports(settings) as reports:

        def landed(topic: Topic, landing: Landing) -> None:
            typer.echo(_line(topic, landing))
            reports.add(topic, landing)

        root, broker, topics = settings.lake_root, settings.broker, topics_of(settings.broker).values()
        follow(root, broker, topics, limits, every_s, stop, landed, settings.universe)


def _line(topic: Topic, landing: Landing) -> str:
    return (
        f"{topic.name}: {landing.offsets} offsets = {landing.accepted} accepted + {landing.rejected} rejected + "
        f"{landing.gaps} gaps, {len(landing.sessions)} sessions"
    )


def adopt_topic(stage: Annotated[str, typer.Argument(help="ticks, bars or actions")]) -> None:
    """Go on from a topic that was created again, or that lost records before they were landed."""
    from stock_assets.raw.adoption import adopt_topic as adopt
    from stock_assets.topic.topics import topics_of

    settings = load_and_export()
    known = topics_of(settings.broker)
    _known(stage, tuple(known))
    landing = adopt(settings.lake_root, settings.broker, known[stage])
    typer.echo(f"{known[stage].name} with id {landing.topic_id} is adopted; {landing.gaps} offsets are stored as lost")


def topics() -> None:
    """Create the topics that do not exist yet."""
    from stock_assets.topic.topics import create_topics, topics_of

    settings = load_and_export()
    created = create_topics(settings.broker, settings.kafka.partitions, settings.kafka.replication)
    for topic in topics_of(settings.broker).values():
        typer.echo(f"{topic.name}: {'created' if topic.name in created else 'exists'}")


def _known(value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PermanentError(f"{value!r} is none of {', '.join(choices)}")
