"""command line -> a company's bars in the terminal.

Belongs here: the options of ``stock-assets chart``, and the lines around the picture. Imports are inside: ``--help`` stays quick.
Does not belong here: drawing (``candles``), reading (``reading``).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, cast

import typer

from stock_assets.commands.day_argument import day_of
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    import pandas as pd

    from stock_assets.reading.adjusted import Adjusted

YEAR = timedelta(days=365)


def chart(
    symbol: Annotated[str, typer.Argument(help="Symbol.")],
    first: Annotated[
        str, typer.Option("--from", help="First session YYYY-MM-DD; without it, a year before the last.")
    ] = "",
    last: Annotated[str, typer.Option("--to", help="Last session YYYY-MM-DD; without it, the newest.")] = "",
    average: Annotated[int, typer.Option(min=1, help="Bars of the moving average.")] = 50,
    every: Annotated[str, typer.Option(help="Size of bars: 5min, 1h, 1w, 1mo ...; without it, sessions.")] = "",
    adjusted: Annotated[str, typer.Option(help="Prices: none, splits, or all (dividends too).")] = "splits",
) -> None:
    """Draw candles and a moving average, by default of the last year."""
    from stock_assets.commands.candles import draw
    from stock_assets.domain.bar_sizes import bar_size
    from stock_assets.reading.frames import read

    table = "daily_metrics"
    if every:
        table = "minute_bars" if bar_size(every).unit == "minutes" else "daily_bars"
    bars = read(
        table,
        symbol,
        None,
        last or None,
        adjusted=cast("Adjusted", adjusted),
        every=every or None,
        settings=load_and_export(),
    )
    begin = day_of(first) if first else _newest(bars) - YEAR
    bars["average"] = bars["close"].rolling(average).mean()
    shown = bars[bars["trading_day"].dt.date >= begin]
    if shown.empty:
        raise PermanentError(f"{table} has no bar of {symbol} in that range.")
    for line in draw(shown, _width()):
        typer.echo(line)
    days = shown["trading_day"].dt.date
    basis = {"none": "as traded", "splits": "adjusted for splits", "all": "adjusted for splits and dividends"}[adjusted]
    sources = ", ".join(sorted(shown["source"].unique()))
    typer.echo(
        f"{symbol}, {every or 'daily'}, {days.min()} to {days.max()}: {len(shown)} bars of {sources}, {basis}; "
        f"• average of {average} bars"
    )


def _newest(bars: pd.DataFrame) -> date:
    return date.min + YEAR if bars.empty else cast(date, bars["trading_day"].max().date())


def _width() -> int:
    from rich.console import Console

    return min(Console().width, 160)
