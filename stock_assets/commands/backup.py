"""command line -> backup, restore.

Belongs here: the options of these commands, and what they print. Does not belong here: the work (``local.backup``,
``local.restore``). Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stock_assets.settings.platform import Settings


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, best on another disk.")],
) -> None:
    """Copy lake, topics, Dagster's records, warehouse and positions into a folder; services pause meanwhile."""
    from stock_assets.local.backup import back_up
    from stock_assets.local.holdings import megabytes
    from stock_assets.settings.process import load_and_export

    done = back_up(load_and_export(), folder, typer.echo)
    for told in done.left_out:
        typer.echo(f"left out   {told}")
    typer.echo(f"backed up  {done.files:,} files, {megabytes(done.size)}, in {folder}")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `backup` wrote.", file_okay=False, exists=True)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the data that is there now.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only compare the backup's files with its list.")] = False,
) -> None:
    """Put a backup's data into place; refused, with nothing changed, if it is damaged or there is data already."""
    from stock_assets.local.restore import check as check_backup
    from stock_assets.local.restore import restore as restore_backup

    if check:
        contents = check_backup(folder)
        typer.echo(f"whole      {len(contents.entries):,} files and folders, of {contents.made_at}")
        return
    contents = restore_backup(_settings(folder), folder, replace, typer.echo)
    for told in contents.left_out:
        typer.echo(f"left out   {told}")
    typer.echo(f"restored   {', '.join(contents.parts)}, as of {contents.made_at}")
    typer.echo("restored   next: `stock-assets up`, then `stock-assets verify`")


def _settings(folder: Path) -> Settings:
    """Those of here; on an empty machine those of the backup, where the environment says nothing else."""
    from stock_assets.settings.process import load_and_export, load_with_file

    settings, kept = load_and_export(), folder / "settings"
    return settings if (settings.home / ".env").exists() or not kept.is_file() else load_with_file(kept)
