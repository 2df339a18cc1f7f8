"""Tables on the terminal: every figure whole, numbers to the right, columns left out where the lines are short."""

from __future__ import annotations

import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from stock_assets.commands.grid import show_table

WIDTH = 80


def shown(width: int, *arguments: object, **more: object) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    show_table(console, "title", *arguments, **more)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_numbers_stand_to_the_right_and_texts_as_they_are() -> None:
    lines = shown(WIDTH, ("symbol", "close", "volume"), [("[red]A", Decimal("9.5"), 1), ("B", None, 1_234_567)])
    assert lines[1:3] == ["title", "symbol   close      volume"]
    assert lines[4:] == ["[red]A    9.50           1", "B                1,234,567"]


def test_columns_go_in_the_order_given_until_the_lines_fit() -> None:
    rows = [("A" * 30, "B" * 30, "C" * 30)]
    lines = shown(WIDTH, ("first", "second", "third"), rows, ["second", "first"])
    assert "B" * 30 not in "".join(lines) and "A" * 30 in "".join(lines) and "C" * 30 in "".join(lines)
    assert lines[-1].endswith("second")


@given(
    st.lists(st.tuples(st.integers(), st.decimals(-1e9, 1e9, places=2)), min_size=1, max_size=5), st.integers(20, 120)
)
def test_no_figure_is_ever_cut(rows: list[tuple[int, Decimal]], width: int) -> None:
    text = "\n".join(shown(width, ("whole", "decimal"), rows, ["whole"]))
    for whole, decimal in rows:
        assert f"{decimal:,.2f}" in text
        assert f"{whole:,}" in text or "not shown" in text
    if "not shown" not in text:
        assert max(map(cell_len, text.splitlines())) <= width
