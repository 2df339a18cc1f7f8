"""command line -> what the lake holds, file by file.

Belongs here: the options of the commands about the lake's store, and what they print.
Does not belong here: any of the work. Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from typing import Annotated

import typer


def files(
    prefix: Annotated[str, typer.Argument(help="Only paths that begin so, such as raw/ticks; without it, all.")] = "",
) -> None:
    """List the lake's files with their sizes in bytes, in a folder as on S3."""
    from stock_assets.lake import store
    from stock_assets.settings.process import load_and_export

    settings = load_and_export()
    count = size = 0
    for file in store.files(settings.lake_root, prefix):
        typer.echo(f"{file.size:>14,}  {file.path}")
        count, size = count + 1, size + file.size
    typer.echo(f"{size:>14,}  in {count:,} files of {settings.lake_root}")
