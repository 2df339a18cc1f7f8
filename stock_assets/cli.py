"""the command line -> calls into the platform.

Belongs here: which commands there are, and how an error is shown. Commands import what they need when they run, so that
``--help`` stays quick.
Does not belong here: what a command does.
"""

from __future__ import annotations

import sys

import typer

from local import commands as services
from stock_assets.commands import condition, data, history, maintenance, produce, produce_raw, quarantine, store
from stock_assets.domain.errors import StockAssetsError

app = typer.Typer(
    help="A stock-market data platform whose numbers can be proved.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    services.up,
    services.down,
    services.status,
    services.doctor,
    data.demo,
    data.land,
    data.verify,
    data.topics,
    data.adopt_topic,
    condition.condition,
    history.as_of,
    quarantine.redrive,
    quarantine.withdraw,
    maintenance.compact,
    maintenance.vacuum,
    store.files,
):
    app.command()(command)
app.add_typer(quarantine.quarantine, name="quarantine")
produce.produce.command()(produce_raw.raw)
app.add_typer(produce.produce, name="produce")


def main() -> None:
    """Run the command line; an error raised on purpose is one red sentence on stderr and exit status 1."""
    try:
        app()
    except StockAssetsError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
