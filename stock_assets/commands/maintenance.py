"""command line -> compacted and vacuumed raw tables, and Dagster's records made whole.

Belongs here: the options of these commands, and what they print. Does not belong here: how files are rewritten
(``raw.compaction``), when (``defs.maintenance``), and what is reported (``defs.reports``). Imports are inside: ``--help`` stays quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from stock_assets.commands.day_argument import day_of
from stock_assets.settings.process import load_and_export


def compact(
    day: Annotated[
        str, typer.Argument(help="Session YYYY-MM-DD, or 'none' for rejected records; without it, what needs it.")
    ] = "",
) -> None:
    """Rewrite the small files of the raw tables as few sorted ones, with the same rows."""
    from stock_assets.domain.tables import RAW_TABLES
    from stock_assets.raw.compaction import compact as compact_session
    from stock_assets.raw.compaction import sessions_to_compact

    settings = load_and_export()
    for table in RAW_TABLES.values():
        days = (
            [None if day == "none" else day_of(day, ", or none")]
            if day
            else sessions_to_compact(
                settings.lake_root, table, settings.lake.compaction_min_files, settings.lake.compaction_target_bytes
            )
        )
        for chosen in days:
            done = compact_session(settings.lake_root, table, chosen, settings.lake.compaction_target_bytes)
            numbers = f": {done.files_before} files -> {done.files_after}, {done.rows:,} rows" if done.done else ""
            typer.echo(f"{table.path} {chosen or 'without a session'}: {done.reason}{numbers}")
        if not days:
            typer.echo(f"{table.path}: no session has {settings.lake.compaction_min_files} files to compact")


def vacuum(
    dry_run: Annotated[bool, typer.Option(help="Only count.")] = False,
) -> None:
    """Delete files of the raw tables that no version of the last days needs."""
    from stock_assets.domain.tables import RAW_TABLES
    from stock_assets.raw.compaction import vacuum as vacuum_table

    settings = load_and_export()
    for table in RAW_TABLES.values():
        count = vacuum_table(settings.lake_root, table, settings.lake.vacuum_keep_days, dry_run=dry_run)
        typer.echo(f"{table.path}: {count:,} files {'would be' if dry_run else 'were'} deleted")


def report() -> None:
    """Show Dagster every session that the tables hold, as after its database was lost or left behind."""
    from stock_assets.defs.reports import report_held

    told = report_held(load_and_export(), typer.echo)
    typer.echo(f"{told} materializations reported")
