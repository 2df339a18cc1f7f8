"""command line -> reset.

Belongs here: what is shown and asked before anything is deleted. Does not belong here: deleting (``local.reset``). Imports are
inside: ``--help`` stays quick.
"""

from __future__ import annotations

from typing import Annotated

import typer


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop the services and delete the platform's data: topics, lake, records, stand-ins, logs; downloads and .env stay."""
    from stock_assets.local.holdings import megabytes
    from stock_assets.local.reset import going, stays
    from stock_assets.local.reset import reset as delete
    from stock_assets.settings.process import load_and_export

    settings = load_and_export()
    chosen = going(settings)
    for each in chosen:
        typer.echo(f"deletes    {each.name:<13} {megabytes(each.size):>10}  {each.files:>7,} files  {each.place}")
    for text in stays(settings):
        typer.echo(f"stays      {text}")
    if not chosen:
        typer.echo("There is nothing to delete.")
        return
    if not yes:
        typer.confirm(f"Delete {megabytes(sum(each.size for each in chosen))} for good?", abort=True)
    delete(settings, chosen, typer.echo)
    typer.echo("deleted    next: `stock-assets up`")
