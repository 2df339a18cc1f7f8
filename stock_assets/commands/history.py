"""command line -> what was known when.

Belongs here: the options of the commands about statements and their history, and what they print.
Does not belong here: which statement counts (``lake.as_of``). Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stock_assets.commands.day_argument import session_of
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.shares import show_shares
from stock_assets.domain.universe import names_on

if TYPE_CHECKING:
    from stock_assets.lake.as_of import Statement

INTERVALS = ("1d", "1m")


def as_of(
    symbol: Annotated[str, typer.Argument(help="Symbol of the bars.")],
    day: Annotated[str, typer.Option(help="Session YYYY-MM-DD.")],
    at: Annotated[str, typer.Option(help="Instant, in UTC unless it says otherwise; without it, now.")] = "",
    interval: Annotated[str, typer.Option(help="'1d' or '1m'.")] = "1d",
) -> None:
    """Show every statement of a session's bars, under each name of the company, and which one counted at an instant."""
    from rich.console import Console

    from stock_assets.commands.grid import show_table
    from stock_assets.lake.as_of import statements
    from stock_assets.settings.process import load_and_export

    if interval not in INTERVALS:
        raise PermanentError(f"{interval!r} is none of {', '.join(INTERVALS)}")
    session, moment = session_of(day), _instant(at)
    settings = load_and_export()
    names = names_on(symbol, session, settings.universe)
    told = [each for name in names for each in statements(settings.lake_root, name, session, interval, moment)]
    if not told:
        raise PermanentError(f"the lake holds no {interval} bar of {' or '.join(names)} for {session}")
    show_table(
        Console(),
        f"{symbol} {session}, as of {moment or 'now'}",
        _HEADINGS,
        [_cells(statement) for statement in told],
        ["partition offset", "start (UTC)", "basis", "final", "high", "low", "open", "volume"],
        ["bold" if statement.counts else "dim" for statement in told],
    )


_HEADINGS = (
    "counted", "symbol", "source", "start (UTC)", "known at (UTC)", "open", "high", "low", "close", "volume", "basis", "final",
    "close as traded", "partition offset",
)  # fmt: skip


def _cells(statement: Statement) -> list[str]:
    said = statement.values
    return [
        "yes" if statement.counts else "no" if statement.known else "not yet known",
        said["symbol"],
        said["source"],
        _moment(said["start_time"]),
        _moment(said["known_at"]),
        *(repr(said[name]) for name in ("open", "high", "low", "close")),
        show_shares(said["volume"]),
        said["price_basis"],
        "yes" if said["final"] else "no",
        f"{said['close'] * statement.factor:.6f}".rstrip("0").rstrip("."),
        f"{said['kafka_partition']} {said['kafka_offset']}",
    ]


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PermanentError(f"{text!r} is not an instant; write YYYY-MM-DDTHH:MM") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
