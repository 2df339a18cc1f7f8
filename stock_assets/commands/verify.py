"""command line -> verify: the proof of completeness, and the comparisons of rows with records and of warehouse with lake.

Belongs here: the options of the command, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: proving (``raw.completeness``) and comparing (``raw.comparison``, ``warehouse.verify``).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from stock_assets.commands.day_argument import session_of
from stock_assets.domain.errors import ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

SHOWN = 20

if TYPE_CHECKING:
    from rich.console import Console


def verify(
    day: Annotated[str, typer.Argument(help="Session YYYY-MM-DD; without it, everything.")] = "",
    every_record: Annotated[
        bool, typer.Option("--every-record", help="Compare each row with its record, not a sample.")
    ] = False,
) -> None:
    """Prove that nothing is missing or twice, that rows say what their records say, and that the warehouse equals the lake.

    Name what is withheld from it.
    """
    from rich.console import Console

    from stock_assets.domain.tables import DAILY_METRICS
    from stock_assets.lake.tables import read_sessions
    from stock_assets.warehouse.connect import connect
    from stock_assets.warehouse.set_up import set_up
    from stock_assets.warehouse.verify import differences

    settings, console, wanted = load_and_export(), Console(), session_of(day) if day else None
    complete = show_completeness(settings, console, wanted)
    as_sent = _show_comparison(settings, console, wanted, every_record)
    first, last = wanted or date.min, wanted or date.max
    rows = read_sessions(settings.lake_root, DAILY_METRICS, list(DAILY_METRICS.names), first, last)
    with connect(settings.snowflake) as connection:
        set_up(connection, settings.snowflake)
        found = differences(connection, rows, DAILY_METRICS, first, last)
    for difference in found[:SHOWN]:
        console.print(f"[red]{difference}[/]", highlight=False)
    console.print(f"Warehouse: {rows.num_rows:,} rows of the lake, {_verdict(rows.num_rows, len(found))}")
    show_withheld(settings, console, first, last)
    if not complete or not as_sent or found:
        raise typer.Exit(1)


def show_completeness(settings: Settings, console: Console, day: date | None) -> bool:
    """Print the completeness equation per topic partition, and say whether all of them hold."""
    from stock_assets.commands.grid import show_table
    from stock_assets.raw.alerts import alert
    from stock_assets.raw.completeness import prove
    from stock_assets.topic.topics import topics_of

    about = f", landings that touch {day}" if day else ""
    days = [day] if day else None
    proofs = [
        (topic, proof)
        for topic in topics_of(settings.broker).values()
        for proof in prove(settings.lake_root, topic, days)
    ]
    names = ("topic", "part", "offsets", "read", "= accepted", "+ rejected", "+ gaps", "holds")
    rows = [
        (
            proof.topic,
            proof.partition,
            f"{proof.coverage.first:,} to {proof.coverage.following - 1:,}",
            *(proof.offsets, proof.accepted, proof.rejected, proof.gaps),
            "yes" if proof.holds else f"NO: {proof.coverage}",
        )
        for _, proof in proofs
    ]
    if rows:
        styles = ["" if proof.holds else "red" for _, proof in proofs]
        show_table(console, f"Completeness: every offset exactly once{about}", names, rows, ["offsets"], styles)
    else:
        console.print("Completeness: nothing was landed")
    broken = [(topic, proof) for topic, proof in proofs if not proof.holds]
    for topic, proof in broken:
        console.print(f"[red]{alert(settings.lake_root, topic, proof)}[/]", highlight=False)
    return not broken


def show_withheld(settings: Settings, console: Console, first: date, last: date) -> None:
    """Print which rows break a critical rule and are in no reader's sight, the warehouse's included."""
    from stock_assets.quality.withheld import withheld_texts

    texts = withheld_texts(settings.lake_root, first, last)
    for text in texts[:SHOWN]:
        console.print(f"[yellow]{escape(text)}[/]", highlight=False, soft_wrap=True)
    more = f", the first {SHOWN} of them above" if len(texts) > SHOWN else ""
    console.print(f"Withheld: {f'{len(texts):,} for breaking a critical rule{more}' if texts else 'nothing'}")


def _show_comparison(settings: Settings, console: Console, day: date | None, every: bool) -> bool:
    """Print how rows compare with their records, and say whether none differs."""
    from stock_assets.raw.comparison import compare
    from stock_assets.topic.topics import topics_of

    days = [day] if day else None
    try:
        compared = [
            found
            for topic in topics_of(settings.broker).values()
            for found in compare(settings.lake_root, settings.broker, topic, days, every=every)
        ]
    except ServiceUnavailable as fault:
        console.print(f"[yellow]Records: rows were compared with none: {fault}[/]", highlight=False)
        return True
    differences = [difference for found in compared for difference in found.differences]
    for difference in differences[:SHOWN]:
        console.print(f"[red]{difference}[/]", highlight=False)
    rows, looked_at, gone = (
        sum(getattr(found, name) for found in compared) for name in ("rows", "compared", "not_held")
    )
    console.print(
        f"Records: {looked_at:,} of {rows:,} rows compared with their records, {_verdict(rows, len(differences))}"
        + (f"; of {gone:,} the topics hold no record any more" if gone else "")
    )
    return not differences


def _verdict(rows: int, differences: int) -> str:
    if differences:
        return f"{differences:,} differ"
    return "all equal" if rows else "there is nothing to compare"
