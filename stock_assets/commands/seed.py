"""command line -> test data of any size in the topics.

Belongs here: the options of ``stock-assets seed``. Does not belong here: making the data (``sources.simulated_history``),
and publishing it (``publishers.backlog``). Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from stock_assets.commands.day_argument import session_of
from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings


def seed(
    symbols: Annotated[int, typer.Option(help="How many: SEED0, SEED1 and so on.", min=1)] = 10,
    sessions: Annotated[int, typer.Option(help="How many, each with a bar of every symbol.", min=1)] = 252,
    seed: Annotated[int, typer.Option(help="The same seed, sessions and last session give the same data.")] = 1,
    until: Annotated[str, typer.Option(help="The last session (YYYY-MM-DD); by default the newest that is over.")] = "",
    tick_sessions: Annotated[int, typer.Option(help="So many of the newest sessions have ticks, too.", min=0)] = 1,
    trades: Annotated[int, typer.Option(help="Regular trades of a symbol in such a session.", min=7)] = 200,
) -> None:
    """Publish made-up daily bars, splits, dividends and ticks; what the lake holds already is not published again."""
    from stock_assets.commands.publishing import publish_and_report
    from stock_assets.publishers.backlog import Backlog
    from stock_assets.settings.process import load_and_export
    from stock_assets.sources.simulated_history import made_history

    settings = load_and_export()
    days = _sessions(settings, sessions, until)
    label = f"{symbols:,} symbols on {len(days):,} sessions, {days[0]} to {days[-1]}, seed {seed}"
    typer.echo(f"making {label}")
    publish_and_report(settings, Backlog(label, made_history(symbols, days, seed, tick_sessions, trades)))


def _sessions(settings: Settings, count: int, until: str) -> list[date]:
    """The last ``count`` sessions.

    Raises:
        PermanentError: they begin before the first partition, or a universe is set, which would reject all of it.
    """
    from stock_assets.domain.sessions import CLOSING_PRINT_GRACE, session, session_on_or_before, sessions_between

    if settings.universe is not None:
        raise PermanentError("UNIVERSE names the symbols that are accepted: made-up ones would all go into quarantine.")
    now = datetime.now(UTC)
    newest = session_on_or_before(now.date())
    if session(newest).close_time + CLOSING_PRINT_GRACE > now:
        newest = session_on_or_before(newest - timedelta(days=1))
    first = settings.dagster.first_session
    days = sessions_between(first, session_of(until) if until else newest)
    if len(days) < count:
        raise PermanentError(
            f"From FIRST_SESSION ({first}) to {until or newest} there are {len(days):,} sessions, not {count:,}: set an earlier one."
        )
    return days[-count:]
