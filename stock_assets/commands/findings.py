"""command line -> patterns and anomalies.

Belongs here: the options of the two commands, and what they print. Imports are inside: ``--help`` stays quick.
Does not belong here: finding (``quality``), how often a pattern is seen (``reading.base_rates``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stock_assets.commands.day_argument import session_of
from stock_assets.commands.grid import show_table
from stock_assets.settings.process import load_and_export

if TYPE_CHECKING:
    from rich.console import Console

    from stock_assets.settings.platform import Settings

SHOWN = 25


def patterns(
    symbol: Annotated[str, typer.Argument(help="Symbol; without it, the definition of each pattern.")] = "",
) -> None:
    """Show patterns of daily candles: what each is and how often it is seen, or where a symbol has had them lately."""
    from rich.console import Console

    settings = load_and_export()
    if symbol:
        _of_symbol(Console(), settings, symbol.upper())
    else:
        _definitions(Console(), settings)


def anomalies(
    day: Annotated[str, typer.Argument(help="Session YYYY-MM-DD; without it, the newest anomalies.")] = "",
) -> None:
    """Show minutes that are far from what is usual at their time of day: jumps, blocks and suspect prints."""
    from rich.console import Console

    from stock_assets.domain.finding_tables import ANOMALIES
    from stock_assets.lake.built import built_from
    from stock_assets.lake.tables import read_sessions

    settings, console = load_and_export(), Console()
    looked = built_from(settings.lake_root, ANOMALIES.path)
    wanted = session_of(day) if day else None
    first, last = wanted or date.min, wanted or date.max
    rows = read_sessions(settings.lake_root, ANOMALIES, list(ANOMALIES.names), first, last).to_pylist()
    if wanted and wanted not in looked:
        text = f"{wanted} was not looked at: it has no minute bars, or the job findings has yet to run."
        console.print(text, highlight=False, soft_wrap=True)
    elif not rows:
        console.print(f"Nothing unusual in {1 if wanted else len(looked):,} sessions.", highlight=False)
    else:
        _show_anomalies(console, rows, wanted)


def _definitions(console: Console, settings: Settings) -> None:
    from stock_assets.domain.patterns import PATTERNS
    from stock_assets.reading.base_rates import base_rates

    rates = base_rates(settings)
    rows = [(name, PATTERNS[name].direction, rate.seen, str(rate)) for name, rate in rates.items()]
    sessions = next(iter(rates.values())).sessions
    columns = ("pattern", "direction", "seen", "base rate")
    show_table(console, f"Patterns of {sessions:,} symbol-sessions", columns, rows)
    console.print()
    for name, pattern in PATTERNS.items():
        console.print(f"{name}: {pattern.definition}", markup=False, highlight=False, soft_wrap=True)


def _of_symbol(console: Console, settings: Settings, symbol: str) -> None:
    from stock_assets.reading.base_rates import base_rates
    from stock_assets.reading.frames import read

    found: list[dict[str, Any]] = read("patterns", symbol, as_arrow=True, settings=settings).to_pylist()
    rates, own = base_rates(settings), base_rates(settings, found[-1]["symbol"] if found else symbol)
    newest = sorted(found, key=lambda row: (row["trading_day"], row["pattern"]), reverse=True)[:SHOWN]
    rows = [
        (row["trading_day"], row["symbol"], row["pattern"], row["direction"], str(own[row["pattern"]]), str(rates[row["pattern"]]))
        for row in newest
    ]  # fmt: skip
    columns = ("session", "symbol", "pattern", "direction", "of its sessions", "of all symbols'")
    show_table(console, f"The newest {len(rows)} of {len(found):,} patterns of {symbol}", columns, rows)


def _show_anomalies(console: Console, found: Sequence[dict[str, Any]], day: date | None) -> None:
    from stock_assets.domain.sessions import EXCHANGE_ZONE

    newest = sorted(found, key=lambda row: (row["start_time"], row["symbol"]), reverse=True)[:SHOWN]
    rows = [
        (
            f"{row['start_time'].astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M}",
            row["symbol"],
            row["source"],
            row["kind"],
            f"{row['z']:+.1f}",
            "" if row["change_percent"] is None else f"{row['change_percent']:+.2f}%",
            row["close"],
            row["volume"],
            row["n"],
        )
        for row in newest
    ]
    title = f"The newest {len(rows)} of {len(found):,} anomalies" + (f" of {day}" if day else "") + ", New York's time"
    columns = ("minute", "symbol", "source", "kind", "z", "change", "close", "volume", "sessions")
    show_table(console, title, columns, rows, ["sessions", "source", "volume"])
