"""command line -> the database that BI tools read.

Belongs here: the options of ``stock-assets serving``, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: loading (``serving.load``).
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export
from stock_assets.settings.serving import LOADER, READER

serving = typer.Typer(help="The database that BI tools read.", no_args_is_help=True, rich_markup_mode=None)


class Role(str, Enum):
    """Who connects."""

    bi_reader = READER
    loader = LOADER


@serving.command()
def url(
    role: Annotated[Role, typer.Option(help="Who connects: a reader, or the one who loads.")] = Role.bi_reader,
    with_password: Annotated[
        bool, typer.Option("--with-password", help="Put the password into it, for tools that do not read libpq's file.")
    ] = False,
) -> None:
    """Print the address, as ``psql`` and other tools take it."""
    from stock_assets.serving.connect import with_password_of

    settings = _settings()
    address = settings.serving_url(role.value)
    typer.echo(with_password_of(address) if with_password else address)


@serving.command()
def load() -> None:
    """Load what differs from the warehouse now; from then on the sensor marts_sensor does after each load."""
    import logging

    from stock_assets.local.services import Services

    settings = _settings()
    needed = ["postgres"] if settings.runs_postgres else []
    needed += ["warehouse"] if settings.embedded_warehouse else []
    if needed:
        Services(settings, typer.echo).up(needed)

    from stock_assets.defs.serving import load_now

    logging.getLogger("dagster").setLevel(logging.ERROR)
    changed, seconds = load_now(settings)
    for name, (rows, sessions) in changed.items():
        typer.echo(f"serving    {name}: {rows} rows of {sessions} sessions")
    typer.echo(f"serving    {'holds what the warehouse holds' if changed else 'nothing differed'}, {seconds:.1f} s")


@serving.command()
def verify() -> None:
    """Compare every table with the warehouse, session by session; exit code 1 when any differs."""
    from stock_assets.serving.compare import differences
    from stock_assets.serving.connect import connection
    from stock_assets.warehouse.connect import connect

    settings = _settings()
    with connection(settings) as database, connect(settings.snowflake) as source, source.cursor() as cursor:
        found = differences(database, cursor)
    for name, days in found.items():
        typer.echo(f"serving    {name}: {len(days)} sessions differ from the warehouse, first {days[0]}")
    if found:
        raise typer.Exit(1)
    typer.echo("serving    equal to the warehouse")


def _settings() -> Settings:
    settings = load_and_export()
    if not settings.serving.on:
        raise PermanentError("SERVING is off: there is no database for BI tools.")
    return settings
