"""command line -> publishers.

Belongs here: the options of ``stock-assets produce SOURCE``, and what it prints.
Does not belong here: the sources, publishing, and any rule. Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stock_assets.commands.day_argument import day_of
from stock_assets.commands.publishing import publish_and_report
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from stock_assets.domain.messages import Tick
    from stock_assets.publishers.health import HealthFile
    from stock_assets.publishers.service import Connect
    from stock_assets.sources.simulated_market import Due

BEGAN = time.monotonic()

produce = typer.Typer(help="Publish messages of a source to Kafka.", no_args_is_help=True, rich_markup_mode=None)

Recording = Annotated[Path, typer.Argument(help="A folder of recordings.", file_okay=False, exists=True)]
Speed = Annotated[
    float, typer.Option(help="Ticks at this multiple of the speed at which they happened; 0 for all at once.", min=0)
]


def _until_stopped(command: Callable[..., None]) -> Callable[..., None]:
    """A command that runs until it is stopped; when nothing but mending helps, its exit status says so."""

    @wraps(command)
    def run(*given: Any, **named: Any) -> None:
        from stock_assets.publishers.health import ENDED_FOR_GOOD, STARTED_AFTER_S
        from stock_assets.signals import stop_event

        try:
            command(*given, **named)
        except PermanentError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
            if load_and_export().local.service:
                # Supervisor starts whoever ends sooner again, whatever the exit status says.
                stop_event().wait(max(0.0, BEGAN + STARTED_AFTER_S - time.monotonic()))
            raise typer.Exit(ENDED_FOR_GOOD) from None

    return run


@produce.command()
def shipped() -> None:
    """The demo's input: real daily bars of 5 symbols, and ticks simulated to agree with the last sessions."""
    _publish_new("shipped", None)


@produce.command()
def yahoo_history(
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas; by default those of SYMBOLS.")] = "",
) -> None:
    """Yahoo's daily bars and actions of the last year; what cannot be taken is told, and holds back nothing else."""
    _publish_new("yahoo", None, {"SYMBOLS": symbols} if symbols else {})


@produce.command()
def recording(folder: Recording, speed: Speed = 0) -> None:
    """Recorded bars and ticks."""
    if not speed:
        _publish_new("recording", folder)
        return
    from stock_assets.domain.messages import Tick
    from stock_assets.sources.recording import read_recording
    from stock_assets.sources.simulated_market import due_as_recorded

    ticks = (message for message in read_recording(folder) if isinstance(message, Tick))
    _stream(due_as_recorded(ticks, speed))


@produce.command()
@_until_stopped
def simulator(
    rate: Annotated[float, typer.Option(help="Ticks per second, all symbols together.", min=0.001)] = 1000.0,
    seconds: Annotated[float, typer.Option(help="How long; 0 for until stopped.", min=0)] = 10.0,
    symbols: Annotated[int, typer.Option(help="Number of symbols; they move together.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same ticks.")] = 1,
    duplicates: Annotated[float, typer.Option(help="Share of ticks sent twice.", min=0, max=1)] = 0.0,
    late: Annotated[float, typer.Option(help="Share of ticks held back to the end.", min=0, max=1)] = 0.0,
    malformed: Annotated[float, typer.Option(help="Share of records that break the schema.", min=0, max=1)] = 0.0,
    only_sessions: Annotated[bool, typer.Option("--only-sessions", help="Pause on days without a session.")] = False,
    replay: Annotated[str, typer.Option(help="Instead: a session of the shipped history (YYYY-MM-DD).")] = "",
    speed: Speed = 60,
) -> None:
    """Simulated ticks: a market of symbols SIM0, SIM1 ... at any rate, or a past session at any speed."""
    from itertools import islice

    from stock_assets.sources.simulated_market import (
        Faults,
        due_as_recorded,
        due_at_rate,
        endless_ticks,
        faulty,
        market_without_end,
    )

    faults = Faults(duplicates, late, malformed)
    if replay:
        _stream(due_as_recorded(_session_ticks(replay, seed), speed or float("inf")))
        return
    if late and not seconds:
        raise PermanentError("--late holds ticks back to the end, which --seconds 0 never reaches; give it --seconds")
    names, now = [f"SIM{number}" for number in range(symbols)], datetime.now(UTC)
    ticks = (market_without_end if only_sessions else endless_ticks)(names, seed, now, rate)
    some = faulty(islice(ticks, int(rate * seconds)) if seconds else ticks, faults, seed)
    due = due_as_recorded(some, 1, now) if only_sessions else due_at_rate(some, rate)
    _stream(due, "" if seconds else "simulator")


@produce.command()
@_until_stopped
def yahoo_stream() -> None:
    """Yahoo's stream of quotes as ticks, until stopped; what passed between two connections, or since the last time this
    ran, is filled as minute bars."""
    from functools import partial

    from stock_assets.publishers.stream_position import PositionFile
    from stock_assets.publishers.yahoo_stream import YahooStream
    from stock_assets.sources.yahoo_session import stoppable_session

    settings = load_and_export()
    proxy, ca_bundle = settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle
    _serve(
        settings,
        "yahoo_stream",
        lambda health: YahooStream(
            list(settings.symbols),
            settings.vendors.yahoo_stream_url,
            proxy=proxy,
            ca_bundle=ca_bundle,
            http_session=partial(stoppable_session, proxy=proxy, ca_bundle=ca_bundle),
            refused=health.refuse,
            kept=PositionFile(settings.local_dir, "yahoo_stream"),
        ),
    )


@produce.command()
@_until_stopped
def yahoo_quotes(
    every: Annotated[float, typer.Option(help="Seconds between two quotes of each symbol.", min=1)] = 15.0,
) -> None:
    """Yahoo's quotes of all symbols as ticks, until stopped."""
    from stock_assets.publishers.yahoo_quotes import YahooQuotes
    from stock_assets.sources.yahoo_session import http_session

    settings = load_and_export()
    session = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
    _serve(
        settings,
        "yahoo_quotes",
        lambda health: YahooQuotes(list(settings.symbols), every, http=session, refused=health.refuse),
    )


@produce.command()
@_until_stopped
def alpha_vantage() -> None:
    """Alpha Vantage's bars that the lake lacks, and quotes as the key's plan allows, until stopped."""

    from stock_assets.publishers.alpha_vantage import NAME, AlphaVantagePolling
    from stock_assets.publishers.alpha_vantage_minutes import AlphaVantageMinutes
    from stock_assets.publishers.catch_up import newest_minute_sessions, newest_sessions
    from stock_assets.sources.alpha_vantage_client import AlphaVantageClient, budget_of

    settings = load_and_export()
    vendor = settings.vendors.alpha_vantage
    first, newest = settings.dagster.first_session, newest_sessions(settings.lake_root, NAME)
    minutes = newest_minute_sessions(settings.lake_root, NAME, first) if vendor.minutes else None

    def connect(health: HealthFile) -> Connect:
        client = AlphaVantageClient(vendor, budget_of(vendor, settings.local_dir), ca_bundle=settings.local.ca_bundle)
        wanted = AlphaVantageMinutes(minutes.get, health.refuse) if minutes is not None else None
        return AlphaVantagePolling(client, settings.symbols, first, newest.get, health.refuse, wanted)

    _serve(settings, NAME, connect, secrets=[vendor.key])


@produce.command()
def health(
    name: Annotated[
        str, typer.Argument(help="yahoo_stream, yahoo_quotes, alpha_vantage or simulator; all that ran when empty")
    ] = "",
) -> None:
    """How publishers that run until stopped are doing; exit status 1 when one is not well."""
    from stock_assets.publishers.health import HealthFile

    settings = load_and_export()
    folder = settings.local_dir / "publishers"
    names = [name] if name else sorted(file.stem for file in folder.glob("[!.]*.json"))
    if not names:
        typer.echo("no publisher has run here")
    verdicts = [HealthFile(settings.local_dir, each).healthy(datetime.now(UTC)) for each in names]
    for verdict in verdicts:
        typer.echo(f"{'well' if verdict else 'NOT WELL'}  {verdict.because}")
    if not all(verdicts):
        raise typer.Exit(1)


def _serve(
    settings: Settings, name: str, connect: Callable[[HealthFile], Connect], secrets: Sequence[str] = ()
) -> None:
    """Publish until stopped."""
    from stock_assets.publishers.service import run_publisher
    from stock_assets.signals import stop_event
    from stock_assets.topic.publish import Publisher
    from stock_assets.topic.topics import create_topics

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    stop = stop_event()
    with _told(settings, name, secrets) as health:
        source = connect(health)
        create_topics(settings.broker, settings.kafka.partitions, settings.kafka.replication)
        publisher = Publisher(settings.broker)
        try:
            done = run_publisher(name, source, publisher, health, stop)
        finally:
            publisher.close()
    typer.echo(f"published {done.total:,} records, each acknowledged by the broker")


@contextmanager
def _told(settings: Settings, name: str, secrets: Sequence[str] = ()) -> Iterator[HealthFile]:
    """The health of a publisher from its first moment on; what ends it is in it."""
    from stock_assets.publishers.health import HealthFile

    health = HealthFile(settings.local_dir, name, secrets)
    health.write()
    try:
        yield health
    except Exception as broken:
        health.fail(broken)
        raise


def _session_ticks(day: str, seed: int) -> list[Tick]:
    from stock_assets.sources.shipped_history import shipped_session
    from stock_assets.sources.simulator import market_session

    bars = shipped_session(day_of(day))
    if not bars:
        raise PermanentError(f"the shipped history has no bars of {day}")
    return market_session(bars, seed)


def _publish_new(source: str, folder: Path | None, given: Mapping[str, str] | None = None) -> None:
    from stock_assets.publishers.backlog import backlog_of

    settings = load_and_export(**(given or {}))
    publish_and_report(settings, backlog_of(settings, source, folder))


def _stream(records: Iterator[Due], name: str = "") -> None:
    """Publish ticks when they are due; with a name, its health is told meanwhile."""
    from stock_assets.signals import stop_event
    from stock_assets.topic.publish_stream import publish_stream
    from stock_assets.topic.topics import TICKS, at, create_topics

    settings, stop = load_and_export(), stop_event()
    with _told(settings, name) if name else nullcontext() as health:

        def published(acknowledged: int) -> None:
            if health is not None and datetime.now(UTC) - health.state.updated_at >= timedelta(seconds=1):
                health.state.state, health.state.last_message_at = "connected", health.now()
                health.state.fetched = health.state.acknowledged = acknowledged
                health.write()

        create_topics(settings.broker, settings.kafka.partitions, settings.kafka.replication)
        done = publish_stream(settings.broker, at(settings.broker, TICKS), records, stop, published)
        if health is not None:
            health.state.state = "stopped"
            health.state.fetched = health.state.acknowledged = done.records
            health.write()
    typer.echo(
        f"published {done.records:,} records, each acknowledged by the broker, in {done.seconds:.1f} s "
        f"({done.rate_per_s:,.0f}/s)"
    )
