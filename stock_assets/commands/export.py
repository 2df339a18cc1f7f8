"""command line -> files of rows: CSV, Parquet, and what BI tools open.

Belongs here: the options of ``stock-assets export``, and where its rows go. Imports are inside: ``--help`` stays quick.
Does not belong here: which rows there are (``reading.frames``), how a cell is written (``reading.csv_text``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    import pyarrow as pa

    from stock_assets.reading.adjusted import Adjusted

FOR_BI: dict[str, tuple[str, Adjusted]] = {
    "daily_metrics": ("daily_metrics", "none"),
    "daily_bars_adjusted": ("daily_bars", "splits"),
    "stocks": ("stocks", "none"),
    "availability": ("availability", "none"),
}
"""File -> table and what its prices are adjusted for."""


def export(
    table: Annotated[str, typer.Argument(help="Table, such as metrics, daily_bars, minute_bars.")] = "",
    symbol: Annotated[list[str] | None, typer.Option(help="Symbol; may be given again. Without it, all.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First session YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last session YYYY-MM-DD.")] = None,
    adjusted: Annotated[str, typer.Option(help="Prices: none, splits, or all (dividends too).")] = "none",
    every: Annotated[str | None, typer.Option(help="Size of bars: 5min, 65min, 1h, 1w, 1mo ...")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="What was known at an instant YYYY-MM-DDTHH:MM, in UTC.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV, which is what is written without --parquet.")] = False,
    output: Annotated[Path | None, typer.Option(help="File of the CSV; without it, standard output.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file instead.")] = None,
    bi: Annotated[Path | None, typer.Option(help="Write four CSV files for Tableau or Excel into this folder.")] = None,
) -> None:
    """Write rows of a table as CSV or Parquet."""
    from stock_assets import read

    settings = load_and_export()
    if (table == "") == (bi is None):
        raise PermanentError("Name one table, or a folder with --bi.")
    if parquet is not None and (csv or output is not None):
        raise PermanentError("Choose one: --csv (with --output FILE), or --parquet FILE.")
    if bi is not None and as_of is not None:
        raise PermanentError("Leave out --as-of or --bi: of its files, stocks cannot be read as of an instant.")
    if bi is not None:
        for name, (of, basis) in FOR_BI.items():
            dated = of != "stocks"
            rows = read(
                of,
                symbol or None,
                first if dated else None,
                last if dated else None,
                adjusted=basis,
                as_arrow=True,
                settings=settings,
            )
            # the mark by which Excel knows UTF-8
            _say(bi / f"{name}.csv", _to_file(rows, bi / f"{name}.csv", "utf-8-sig"))
        return
    rows = read(
        table,
        symbol or None,
        first,
        last,
        adjusted=cast("Adjusted", adjusted),
        as_of=as_of,
        every=every,
        as_arrow=True,
        settings=settings,
    )
    if parquet is not None:
        from pyarrow.parquet import write_table

        parquet.parent.mkdir(parents=True, exist_ok=True)
        write_table(rows, parquet)
        _say(parquet, rows.num_rows)
    elif output is not None:
        _say(output, _to_file(rows, output, "utf-8"))
    else:
        from stock_assets.reading.csv_text import write_csv

        write_csv(rows.to_batches(), rows.column_names, sys.stdout)
        if not rows.num_rows:
            typer.echo("No row is in that range.", err=True)


def _to_file(rows: pa.Table, path: Path, encoding: str) -> int:
    from stock_assets.reading.csv_text import write_csv

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        return write_csv(rows.to_batches(), rows.column_names, file)


def _say(path: Path, rows: int) -> None:
    typer.echo(f"{path}: {rows:,} rows")
