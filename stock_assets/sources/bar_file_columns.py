"""a file's header -> which of its columns holds what.

Belongs here: how vendors and people spell the columns of bars, and the columns that a caller names instead.
Does not belong here: reading rows (``bar_files``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stock_assets.domain.errors import BadRecord

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "day": ("date", "datetime", "timestamp", "day", "trading_day", "start_time"),
    "time": ("time",),
    "symbol": ("symbol", "ticker"),
    "open": ("open", "1. open"),
    "high": ("high", "2. high"),
    "low": ("low", "3. low"),
    "close": ("close", "4. close"),
    "volume": ("volume", "vol", "5. volume", "6. volume"),
    "adj_close": ("adj close", "adj_close", "adjusted_close", "5. adjusted close"),
}
"""What a column holds -> its usual names, in small letters and without the angle brackets of Stooq's."""
WANTED = ("day", "open", "high", "low", "close")
"""What each row must have."""


def find_columns(name: str, header: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """What is held -> the header's own name of the column.

    Args:
        name: of the file, for the error.
        named: what is held -> column, where the caller knows better; as ``SPELLINGS``.

    Raises:
        BadRecord: a column is missing; the text names those found and those wanted.
    """
    plain = {column.strip().strip("<>").lower(): column for column in reversed(header)}
    found = {
        held: plain[spelling]
        for held, spellings in SPELLINGS.items()
        for spelling in reversed(spellings)
        if spelling in plain
    }
    for held, column in named.items():
        if held not in SPELLINGS:
            raise BadRecord(f"--column {held}={column}: name one of {', '.join(SPELLINGS)}")
        if column not in header:
            raise BadRecord(f"{name} has no column {column!r}; it has {', '.join(header)}")
        found[held] = column
    if missing := [held for held in WANTED if held not in found]:
        raise BadRecord(
            f"{name} has the columns {', '.join(header) or 'none'}, of which none is the {' or the '.join(missing)}: "
            f"name it with --column {missing[0]}=COLUMN"
        )
    return found
