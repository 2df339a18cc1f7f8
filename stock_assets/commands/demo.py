"""command line -> a running platform with data in every table, and the numbers to look at.

Belongs here: the order of the demo and what it prints. Does not belong here: any of the work. Imports are inside:
``--help`` stays quick.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export
from stock_assets.settings.publishing import runs_fictional_market

if TYPE_CHECKING:
    from rich.console import Console

    from stock_assets.defs.runs import MainJob
    from stock_assets.topic.publish import Published

FICTIONAL_MARKET = "publisher-simulator"
AFTERWARDS = ("stream", FICTIONAL_MARKET)
"""What is started once the demo has shown what came of it: what these compute is not shown."""
SAID_OF_THE_MARKET = (
    "\nA fictional market (SIM0 to SIM9, which are no companies) moves on its page Now on days with a session; "
    "LIVE_DEMO=0 turns it off"
)
Recording = Annotated[
    Path | None, typer.Option(help="A folder of recordings to publish.", file_okay=False, exists=True)
]


def demo(
    source: Annotated[str, typer.Option(help="'shipped' (offline, the default) or 'yahoo' (live).")] = "shipped",
    recording: Recording = None,
) -> None:
    """Start everything, publish an input, wait for what the sensors make of it, and show what came of it."""
    from rich.console import Console

    if source not in ("shipped", "yahoo"):
        raise PermanentError(f"{source!r} is none of shipped, yahoo")
    run_demo(load_and_export(), source, recording, Console())


def run_demo(settings: Settings, source: str, recording: Path | None, console: Console) -> None:
    """Start the services, publish the input, wait for the main job, and print what came of it.

    Raises:
        StockAssetsError: a service does not come up, or a run fails; the text says why.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False)

    say("services   starting")
    from stock_assets.local.progress import telling
    from stock_assets.local.services import Services, all_names

    began = time.monotonic()
    services = Services(settings, say)
    later = [name for name in AFTERWARDS if name in all_names(settings)]
    # one of an earlier demo: what never ends is never landed to its end
    services.stop([each.name for each in services.status() if (each.name, each.state) == (FICTIONAL_MARKET, "running")])
    services.up([name for name in all_names(settings) if name not in later])
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    ready = time.monotonic()

    since = datetime.now(UTC)
    with telling(say, lambda seconds: f"input      reading and publishing it, {seconds:.0f} s"):
        from stock_assets.defs.runs import wait_for_main_job
        from stock_assets.publishers.backlog import backlog_of, publish_new

        backlog = backlog_of(settings, source, recording)
        say(f"input      {backlog.label}")
        published = publish_new(settings, backlog)
    for refused in backlog.refused:
        console.print(f"[yellow]refused    {refused}[/]", highlight=False)
    job_began = time.monotonic()
    done = wait_for_main_job(settings, since, say)
    job_seconds = time.monotonic() - job_began
    show(settings, console, published, done)
    if later:
        services.up(later)
    console.print(
        f"\nservices {ready - began:.1f} s, main job {job_seconds:.1f} s, everything {time.monotonic() - began:.1f} s. "
        f"The runs: http://127.0.0.1:{settings.local.dagster_port}  (stop with: make down)\n"
        f"The dashboard: http://127.0.0.1:{settings.local.dashboard_port}"
        f"{SAID_OF_THE_MARKET if runs_fictional_market(settings) else ''}"
    )


def show(settings: Settings, console: Console, published: Published, done: MainJob) -> None:
    """Print what was published, what the tables hold, the completeness equation, and the first rows of the warehouse."""
    from stock_assets.commands.grid import show_table
    from stock_assets.commands.verify import show_completeness
    from stock_assets.defs.holdings import holdings

    if not published.total and not done.seconds:
        console.print("\n[bold]There is nothing new[/]: the lake holds every record of this input already.")
    else:
        counts = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(published.acknowledged.items()))
        console.print(f"published  {counts or 'nothing'} (each acknowledged by the broker)")
        rows = [
            (asset, held.sessions, held.rows, f"{done.seconds.get(asset, 0.0):.1f}")
            for asset, held in holdings(settings).items()
        ]
        names = ("asset", "sessions", "rows", "seconds")
        show_table(console, "What the tables hold, and how long the runs took", names, rows)
    console.print(f"checks     {done.checks_passed} passed")
    for failed in done.failed_checks:
        console.print(f"[yellow]check      {failed}[/]", highlight=False)
    show_completeness(settings, console, None)
    show_ticks_against_bars(settings, console)
    show_warehouse(settings, console)


def show_ticks_against_bars(settings: Settings, console: Console) -> None:
    """Print the newest session's bars built from ticks beside the vendors' own."""
    from stock_assets.commands.grid import show_table
    from stock_assets.domain import tables
    from stock_assets.lake.tables import read_sessions

    names = ["trading_day", "symbol", "source", "open", "high", "low", "close", "volume"]
    rows = read_sessions(settings.lake_root, tables.DAILY_BARS, names, date.min, date.max).to_pylist()
    built = [row for row in rows if str(row["source"]).endswith(("_ticks", "_minutes"))]
    if not built:
        return
    newest = max(row["trading_day"] for row in built)
    symbols = {row["symbol"] for row in built if row["trading_day"] == newest}
    shown = [
        [row[name] for name in names[1:]]
        for row in sorted(rows, key=lambda row: (row["symbol"], row["source"]))
        if row["trading_day"] == newest and row["symbol"] in symbols
    ]
    show_table(console, f"Bars built here beside the vendor's, {newest}", names[1:], shown)


def show_warehouse(settings: Settings, console: Console) -> None:
    """Print the newest rows of DAILY_STOCK_METRICS, as a connection to the warehouse reads them."""
    from stock_assets.commands.grid import show_table
    from stock_assets.warehouse.connect import connect

    names = ["symbol", "trading_day", "source", "close", "volume", "change_percent", "sma_20", "rsi_14", "high_52_week"]
    place = settings.snowflake
    with connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(names)} FROM {place.database}.{place.schema}.DAILY_STOCK_METRICS "
            "ORDER BY TRADING_DAY DESC, SYMBOL LIMIT 10"
        )
        found = cursor.fetchall()
    show_table(console, "DAILY_STOCK_METRICS, newest rows", names, found, ["high_52_week", "source", "rsi_14"])
