"""command line -> the availability of each symbol and session, as a heat map.

Belongs here: the options of the command, and what it prints. Does not belong here: judging (``quality.availability``); it
is repeated here, so that the map also shows what no build has judged yet. Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stock_assets.commands.day_argument import session_of
from stock_assets.domain.availability import AVAILABILITIES, NO_PROBLEM, Availability
from stock_assets.domain.errors import PermanentError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from stock_assets.settings.platform import Settings

Row = dict[str, Any]

LOOKS: dict[Availability, tuple[str, str]] = {
    "available": ("+", "black on green"),
    "corrected": ("c", "black on cyan"),
    "partial": ("~", "black on yellow"),
    "degraded": ("!", "white on magenta"),
    "missing": ("X", "white on red"),
    "empty": (".", "dim"),
}
"""The character of each of them and its colours; without colours the characters tell as much."""
_CELL = 3


def availability(
    day: Annotated[str, typer.Option(help="Newest session to show, YYYY-MM-DD; else the newest that has bars.")] = "",
    sessions: Annotated[int, typer.Option(help="How many sessions, up to that one.", min=1, max=1000)] = 20,
    problems: Annotated[bool, typer.Option("--problems", help="Only what is neither available nor empty.")] = False,
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be given again.")] = None,
) -> None:
    """Show which symbols and sessions are available, corrected, partial, degraded, missing or legitimately empty."""
    from rich.console import Console

    from stock_assets.settings.process import load_and_export

    console = Console()
    settings = load_and_export()
    last = session_of(day) if day else _newest(settings)
    wanted = {each.upper() for each in symbol or ()}
    rows = [row for row in judged(settings, last, sessions) if not wanted or row["symbol"] in wanted]
    if problems:
        show_problems(console, rows, last, sessions)
    else:
        show_availability(console, rows)


def judged(settings: Settings, last: date, count: int, now: datetime | None = None) -> list[Row]:
    """Rows as those of quality/availability, for the sessions up to ``last``, as the lake is now."""
    from stock_assets.domain.sessions import calendar, sessions_between
    from stock_assets.quality.availability import judge_sessions
    from stock_assets.quality.judging import Judging
    from stock_assets.quality.reconciliation import reconcile

    root, judging = settings.lake_root, Judging.of(settings)
    days = sessions_between(calendar().first, last)[-count:]
    return judge_sessions(root, days, judging, reconcile(root, days, judging), now or datetime.now(UTC))


def show_availability(console: Console, rows: Sequence[Row]) -> None:
    """Print the map, its legend, and the reason of every cell that is not available."""
    if not rows:
        console.print("Nothing is expected, and nothing is there.")
        return
    days = sorted({row["trading_day"] for row in rows})
    symbols = sorted({row["symbol"] for row in rows})
    cells: dict[tuple[str, date], Availability] = {
        (row["symbol"], row["trading_day"]): row["availability"] for row in rows
    }
    margin = max(map(len, symbols)) + 1
    # As many sessions side by side as the line takes, the others below.
    across = max(1, (console.width - margin) // _CELL)
    for first in range(0, len(days), across):
        shown = days[first : first + across]
        console.print(*_heading(shown, margin), sep="\n", highlight=False, soft_wrap=True)
        for symbol in symbols:
            console.print(_line(symbol, [cells.get((symbol, each)) for each in shown], margin), soft_wrap=True)
        console.print()
    console.print(_legend(rows), soft_wrap=True)
    unavailable = [row for row in rows if row["availability"] != "available"]
    _print_reasons(console, sorted(unavailable, key=lambda row: (row["trading_day"], row["symbol"])))


def show_problems(console: Console, rows: Sequence[Row], last: date, sessions: int) -> None:
    """Print the reason of every cell that is a problem, newest session first."""
    found = [row for row in rows if row["availability"] not in NO_PROBLEM]
    among = f"{len(rows):,} symbol-sessions of {sessions} sessions up to {last}"
    console.print(f"{len(found):,} problems in {among}" if found else f"No problem in {among}", highlight=False)
    _print_reasons(console, sorted(found, key=lambda row: row["trading_day"], reverse=True))


def _print_reasons(console: Console, rows: Sequence[Row]) -> None:
    for row in rows:
        text = f"{row['trading_day']} {row['symbol']} {row['availability']}: {row['because']}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _heading(days: Sequence[date], margin: int) -> list[str]:
    """Three lines: years and months where they change, and the days."""
    lines = []
    for pattern, width in (("%Y", 4), ("%b", 3), ("%d", 2)):
        line = [" "] * (margin + _CELL * len(days) + width)
        before = ""
        for position, day in enumerate(days):
            text, place = day.strftime(pattern), margin + _CELL * position
            if pattern == "%d" or (text != before and line[place - 1] == " "):
                line[place : place + width] = text
            before = text
        lines.append("".join(line).rstrip())
    return lines


def _line(symbol: str, found: Sequence[Availability | None], margin: int) -> Text:
    from rich.text import Text

    line = Text(symbol.ljust(margin))
    for each in found:
        sign, style = LOOKS[each] if each else (" ", "")
        line.append(f"{sign} ".rjust(_CELL - 1), style)
        line.append(" ")
    return line


def _legend(rows: Sequence[Row]) -> Text:
    from rich.text import Text

    counts = Counter(row["availability"] for row in rows)
    legend = Text()
    for name in AVAILABILITIES:
        sign, style = LOOKS[name]
        legend.append(f" {sign} ", style)
        legend.append(f" {name} {counts[name]:,}   ")
    return legend


def _newest(settings: Settings) -> date:
    from stock_assets.domain.tables import DAILY_BARS
    from stock_assets.lake.staleness import bars_state

    newest = max(bars_state(settings.lake_root), default=None)
    if newest is None:
        raise PermanentError(f"{DAILY_BARS.path} of {settings.lake_root} has no row yet; name a session with --day")
    return newest
