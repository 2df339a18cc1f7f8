"""rows -> a table on the terminal.

Belongs here: how every command draws its tables. Does not belong here: what is in them.
"""

from __future__ import annotations

from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid


def console() -> Console:
    """A console that does not fold tables when its output goes into a file."""
    found = Console()
    return found if found.is_terminal else Console(width=140)


def grid(title: str, *columns: str) -> Grid:
    """An empty table with a title."""
    drawn = Grid(title=f"\n{title}", title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        drawn.add_column(column, no_wrap=True)
    return drawn


def short(value: object) -> str:
    """A value as a reader wants it: two decimals, thousands apart, nothing for NULL."""
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}" if isinstance(value, int) else str(value)
