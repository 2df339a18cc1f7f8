"""command line -> data-docs.

Belongs here: the options of the command, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: the site (``quality.data_docs``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stock_assets.settings.process import load_and_export

FOLDER = "data_docs"
ASKS = (
    "Its pages ask servers on the internet (CDNs, Great Expectations' own) for styles, scripts and a picture; without them "
    "they are plain, and can be read."
)


def data_docs(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Where to; below the folder of local data if not given.")
    ] = None,
) -> None:
    """Write a site of Great Expectations' Data Docs: each table's suite, and what it says of the newest session."""
    from stock_assets.quality.data_docs import INDEX, write_site

    settings = load_and_export()
    folder = folder or settings.local_dir / FOLDER
    told = write_site(settings.lake_root, folder)
    for each in told:
        if each.session is None:
            typer.echo(f"{each.table.path:<23} no rows yet: its suite alone")
        else:
            said = "every expectation holds" if not each.broken else f"{each.broken} expectations do not hold"
            typer.echo(f"{each.table.path:<23} {each.session}  {each.rows:>9,} rows: {said}")
    if all(each.session is None for each in told):
        typer.echo("The lake has no rows yet: `make demo` fills it.")
    typer.echo(f"{folder.resolve() / INDEX}\n{ASKS}")
