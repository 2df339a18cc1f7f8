"""rows -> a table on the terminal.

Belongs here: how every command draws its tables. Does not belong here: what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stock_assets.domain.shares import show_shares

_BETWEEN = 3
_NUMBER = re.compile(r"[+-]?[\d,]+(\.\d+)?%?|")


def show_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    droppable: Sequence[str] = (),
    styles: Sequence[str] = (),
) -> None:
    """Print rows under a title, numbers to the right; nothing is ever cut.

    Args:
        rows: a cell that is no text is shown by ``short``; texts are shown as they are, without markup.
        droppable: columns that are left out, the first one first, while the lines are too long for the console.
        styles: of each row.
    """
    cells = [[Text(_cell(name, each)) for name, each in zip(columns, row, strict=True)] for row in rows]
    widths = [max(map(cell_len, (name, *(row[place].plain for row in cells)))) for place, name in enumerate(columns)]
    shown = list(range(len(columns)))
    dropped: list[str] = []
    for name in droppable:
        if sum(widths[place] for place in shown) + _BETWEEN * (len(shown) - 1) <= console.width:
            break
        shown.remove(columns.index(name))
        dropped.append(name)
    console.print(f"\n{title}", style="bold", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place in shown:
        numbers = all(_NUMBER.fullmatch(row[place].plain) for row in cells)
        justify: Literal["left", "right"] = "right" if numbers and cells else "left"
        table.add_column(columns[place], no_wrap=True, min_width=widths[place], justify=justify)
    for number, row in enumerate(cells):
        table.add_row(*(row[place] for place in shown), style=styles[number] if styles else None)
    console.print(table, crop=False, soft_wrap=True)
    if dropped:
        console.print(f"not shown, as the lines are too short: {', '.join(dropped)}", style="dim", soft_wrap=True)


def _cell(column: str, value: object) -> str:
    return show_shares(value) if column == "volume" and isinstance(value, Decimal) else short(value)


def short(value: object) -> str:
    """A value as a reader wants it: two decimals, thousands apart, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
