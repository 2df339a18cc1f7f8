"""a backlog -> what was published of it, on the terminal.

Belongs here: how every ``produce`` of a source that ends reports. Does not belong here: publishing (``publishers.backlog``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    from stock_assets.publishers.backlog import Backlog

SHOWN = 20
"""What could not be taken is shown up to here; of the rest, how much it is."""


def publish_and_report(settings: Settings, backlog: Backlog) -> None:
    """Publish what is new; print what could not be taken, and how many records each topic got."""
    from stock_assets.publishers.backlog import publish_new

    done = publish_new(settings, backlog)
    for refused in backlog.refused[:SHOWN]:
        typer.echo(f"refused: {refused}", err=True)
    if len(backlog.refused) > SHOWN:
        typer.echo(f"refused: {len(backlog.refused) - SHOWN:,} more", err=True)
    counts = ", ".join(f"{count:,} to {topic}" for topic, count in sorted(done.acknowledged.items()))
    typer.echo(f"published {counts or 'nothing: the lake holds every record already'}")
