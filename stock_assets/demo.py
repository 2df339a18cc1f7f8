"""nothing -> a running platform with data in every table, and the numbers to look at.

Belongs here: the order of the demo and what it prints. Does not belong here: any of the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from stock_assets.domain import tables
from stock_assets.domain.messages import Message
from stock_assets.settings import Settings

if TYPE_CHECKING:
    from stock_assets.defs.runs import MainJob
    from stock_assets.topic.publish import Published


@dataclass(frozen=True)
class Input:
    """Where the demo's messages come from."""

    label: str
    messages: Iterable[Message]


def demo_input(settings: Settings, source: str, recording: Path | None) -> Input:
    """The messages of ``source``: ``shipped`` (offline), ``yahoo`` (live), or a folder of recordings."""
    first = date.fromisoformat(settings.first_session)
    if recording is not None:
        from stock_assets.sources.recording import read_recording

        return Input(f"recordings of {recording}", read_recording(recording))
    if source == "yahoo":
        return Input(f"Yahoo, one year of {len(settings.symbols)} symbols", _yahoo_year(settings))
    from stock_assets.sources.shipped_history import shipped_messages

    return Input(
        "real daily bars of 5 symbols, and ticks simulated to agree with the last 3 sessions", shipped_messages(first)
    )


def run_demo(settings: Settings, source: str, recording: Path | None, console: Console) -> None:
    """Start the services, publish the input, run the main job, and print what came of it.

    Raises:
        StockAssetsError: a service does not come up, or a run fails; the text says why.
    """
    from local.services import Services

    began = time.monotonic()
    Services(settings, say=lambda line: console.print(line, highlight=False)).up()
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    ready = time.monotonic()

    from stock_assets.defs.runs import run_main_job

    since = datetime.now(UTC)
    given = demo_input(settings, source, recording)
    console.print(f"input      {given.label}")
    published = publish_new(settings, given)
    job_began = time.monotonic()
    done = run_main_job(settings, since)
    job_seconds = time.monotonic() - job_began
    show(settings, console, published, done)
    console.print(
        f"\nservices {ready - began:.1f} s, main job {job_seconds:.1f} s, everything {time.monotonic() - began:.1f} s. "
        f"Look at it: http://127.0.0.1:{settings.dagster_port}  (stop with: make down)"
    )


def publish_new(settings: Settings, given: Input) -> Published:
    """Publish what the lake does not hold yet."""
    from stock_assets.lake.known import Known
    from stock_assets.topic.publish import publish_with_progress
    from stock_assets.topic.topics import create_topics

    create_topics(settings.broker, settings.kafka_partitions)
    new = Known(settings.lake_root).new(given.messages)
    return publish_with_progress(settings.broker, new, None, "publishing")


def show(settings: Settings, console: Console, published: Published, done: MainJob) -> None:
    """Print what was published, what each asset did, the completeness equation, and the first rows of the warehouse."""
    if not published.total and not any(stage.sessions for stage in done.stages):
        console.print("\n[bold]There is nothing new[/]: the lake holds every record of this input already.")
    else:
        counts = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(published.acknowledged.items()))
        console.print(f"published  {counts or 'nothing'} (each acknowledged by the broker)")
    grid = _grid("What the main job did", "asset", "sessions", "rows", "seconds")
    for stage in done.stages:
        grid.add_row(stage.asset, f"{stage.sessions:,}", f"{stage.rows:,}", f"{stage.seconds:.1f}")
    if grid.row_count:
        console.print(grid)
    console.print(f"checks     {done.checks_passed} passed")
    for failed in done.failed_checks:
        console.print(f"[yellow]check      {failed}[/]", highlight=False)
    show_completeness(settings, console, None)
    show_ticks_against_bars(settings, console)
    show_warehouse(settings, console)


def show_completeness(settings: Settings, console: Console, day: date | None) -> bool:
    """Print the completeness equation per topic partition, and say whether all of them hold."""
    from stock_assets.lake.alerts import alert
    from stock_assets.lake.completeness import prove
    from stock_assets.topic.topics import TOPICS

    about = f", landings that touch {day}" if day else ""
    names = ("topic", "partition", "offsets", "read", "= accepted", "+ rejected", "+ gaps", "holds")
    grid = _grid(f"Completeness: every offset exactly once{about}", *names)
    days = [day] if day else None
    proofs = [(topic, proof) for topic in TOPICS.values() for proof in prove(settings.lake_root, topic, days)]
    for _, proof in proofs:
        offsets = f"{proof.coverage.first:,} to {proof.coverage.following - 1:,}"
        numbers = (proof.offsets, proof.accepted, proof.rejected, proof.gaps)
        verdict = "yes" if proof.holds else f"[red]NO: {proof.coverage}[/]"
        grid.add_row(proof.topic, str(proof.partition), offsets, *(f"{number:,}" for number in numbers), verdict)
    console.print(grid if proofs else "Completeness: nothing was landed")
    broken = [(topic, proof) for topic, proof in proofs if not proof.holds]
    for topic, proof in broken:
        console.print(f"[red]{alert(settings.lake_root, topic, proof)}[/]", highlight=False)
    return not broken


def show_ticks_against_bars(settings: Settings, console: Console) -> None:
    """Print the newest session's bars built from ticks beside the vendors' own."""
    from stock_assets.lake.tables import read_sessions

    names = ["trading_day", "symbol", "source", "open", "high", "low", "close", "volume"]
    rows = read_sessions(settings.lake_root, tables.DAILY_BARS, names, date.min, date.max).to_pylist()
    built = [row for row in rows if str(row["source"]).endswith(("_ticks", "_minutes"))]
    if not built:
        return
    newest = max(row["trading_day"] for row in built)
    symbols = {row["symbol"] for row in built if row["trading_day"] == newest}
    grid = _grid(f"Bars built here beside the vendor's, {newest}", *names[1:])
    for row in sorted(rows, key=lambda row: (row["symbol"], row["source"])):
        if row["trading_day"] == newest and row["symbol"] in symbols:
            grid.add_row(*(_short(row[name]) for name in names[1:]))
    console.print(grid)


def show_warehouse(settings: Settings, console: Console) -> None:
    """Print the newest rows of DAILY_STOCK_METRICS, as a connection to the warehouse reads them."""
    from stock_assets.warehouse.connect import connect

    names = ["symbol", "trading_day", "source", "close", "volume", "change_percent", "sma_20", "rsi_14", "high_52_week"]
    place = settings.snowflake
    with connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(names)} FROM {place.database}.{place.schema}.DAILY_STOCK_METRICS "
            "ORDER BY TRADING_DAY DESC, SYMBOL LIMIT 10"
        )
        found = cursor.fetchall()
    grid = _grid("DAILY_STOCK_METRICS, newest rows", *names)
    for row in found:
        grid.add_row(*map(_short, row))
    console.print(grid)


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=f"\n{title}", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(column, no_wrap=True)
    return grid


def _short(value: object) -> str:
    """A value as a reader wants it: two decimals, thousands apart, nothing for NULL."""
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}" if isinstance(value, int) else str(value)


def _yahoo_year(settings: Settings) -> Iterable[Message]:
    from datetime import UTC, datetime, timedelta

    from stock_assets.domain.sessions import session_on_or_before
    from stock_assets.sources.yahoo import fetch_history, http_session

    last = session_on_or_before(datetime.now(UTC).date())
    session = http_session(settings.vendors.yahoo_proxy, settings.vendors.yahoo_ca_bundle)
    for symbol in settings.symbols:
        yield from fetch_history(symbol, last - timedelta(days=365), last, session).messages
