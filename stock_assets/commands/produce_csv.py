"""command line -> bars of files that others wrote.

Belongs here: the options of ``stock-assets produce csv``, and what it prints. Does not belong here: reading and publishing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stock_assets.commands.publishing import publish_and_report
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from stock_assets.domain.messages import Message
    from stock_assets.domain.universe import Universe
    from stock_assets.sources.bar_files import BarFile


def csv(
    path: Annotated[Path, typer.Argument(help="A file of bars, CSV or Parquet, or a folder of them.", exists=True)],
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of all rows; by default a column's, or the file's name.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="day=COLUMN, open=COLUMN and so on, for a header of one's own; may be given again."),
    ] = None,
    day_format: Annotated[str | None, typer.Option(help="How days are spelled, such as %d.%m.%Y.")] = None,
    labels: Annotated[
        Literal["start", "end"] | None, typer.Option(help="Whether labels are the start or the end of each minute.")
    ] = None,
    basis: Annotated[
        Literal["as_traded", "split_adjusted"] | None,
        typer.Option(help="Prices; by default split-adjusted if there is an adjusted close beside."),
    ] = None,
    fetched: Annotated[
        datetime | None, typer.Option(help="When split-adjusted prices were taken; by default the file's own time.")
    ] = None,
    source: Annotated[str, typer.Option(help="Name of the source, as BAR_SOURCES has it.")] = "csv",
) -> None:
    """Daily or minute bars of files as Alpha Vantage, Yahoo or Stooq write them, or with columns that you name."""
    from stock_assets.publishers.backlog import Backlog
    from stock_assets.sources.bar_files import Reading, bar_files

    settings = load_and_export()
    reading = Reading(
        source=source,
        columns=dict(_pair(each) for each in column or ()),
        symbol=symbol,
        day_format=day_format,
        labels=labels,
        basis=basis,
        fetched_at=fetched.astimezone() if fetched is not None else None,
    )
    files = bar_files(path, reading)
    refused: list[str] = []
    strangers: dict[str, None] = {}
    messages = _bars(files, settings.universe, refused, strangers)
    publish_and_report(settings, Backlog(str(path), messages, refused))
    if strangers:
        names = ", ".join(strangers)
        typer.echo(
            f"UNIVERSE does not have {names}: its records go to quarantine until it does, then redrive", err=True
        )
    if all(file.unreadable for file in files):
        raise typer.Exit(1)


def _bars(
    files: list[BarFile], universe: Universe | None, refused: list[str], strangers: dict[str, None]
) -> Iterator[Message]:
    """The bars of all files; what cannot be taken joins ``refused``, symbols that the universe does not have ``strangers``."""
    known = None if universe is None else {listing.symbol for listing in universe.listings}
    for file in files:
        try:
            for bar in file.bars():
                if known is not None and bar.symbol not in known:
                    strangers[bar.symbol] = None
                yield bar
        except PermanentError as broken:
            file.unreadable = True
            refused.append(str(broken))
        refused += file.refused


def _pair(said: str) -> tuple[str, str]:
    held, separator, name = said.partition("=")
    if not separator:
        raise PermanentError(f"--column {said}: write what it holds and its name, as in close=Schluss")
    return held.strip(), name.strip()
