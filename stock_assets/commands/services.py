"""the commands that concern the embedded services -> what they print.

Belongs here: setup, up, down, status, doctor.
Does not belong here: commands that move data (stock_assets/cli.py registers those beside these).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

Names = Annotated[list[str] | None, typer.Argument(help="Only these services; all when none is named.")]


def setup() -> None:
    """Fetch the jars and create Dagster's home, without starting anything; `dagster dev -w workspace.yaml` works then."""
    from stock_assets.local.preparation import prepare
    from stock_assets.settings.process import load_and_export

    prepare(load_and_export(), typer.echo)
    typer.echo("set up     next: `.venv/bin/dagster dev -w workspace.yaml`, or `make demo`")


def up(names: Names = None) -> None:
    """Start the embedded services and wait until each answers."""
    from stock_assets.local.services import Services
    from stock_assets.settings.process import load_and_export

    Services(load_and_export(), typer.echo).up(names or ())


def down() -> None:
    """Stop the embedded services; data stays."""
    from stock_assets.local.services import Services
    from stock_assets.settings.process import load_and_export

    Services(load_and_export(), typer.echo).down()


def status() -> None:
    """Show each service: state, process, address, uptime; of publishers also how they do."""
    from stock_assets.local.services import Services
    from stock_assets.settings.process import load_and_export

    shown = Services(load_and_export()).status()
    width = max(18, *(len(each.name) for each in shown))
    typer.echo(f"{'service':<{width}} {'state':<9} {'pid':>8}  {'address':<16} uptime")
    for each in shown:
        uptime = f"{each.uptime_s // 3600}:{each.uptime_s // 60 % 60:02}:{each.uptime_s % 60:02}" if each.pid else "-"
        told = f"  {'well' if each.verdict else 'NOT WELL'}  {each.verdict.because}" if each.verdict is not None else ""
        typer.echo(f"{each.name:<{width}} {each.state:<9} {each.pid or '-':>8}  {each.address:<16} {uptime}{told}")


def doctor() -> None:
    """Check every part and name the cure of what is wrong; exit status 1 when anything is."""
    from stock_assets.local.checkup import examine
    from stock_assets.settings.process import load_and_export

    findings = examine(load_and_export())
    for each in findings:
        typer.echo(
            f"{typer.style('ok   ', fg='green') if each.ok else typer.style('WRONG', fg='red')} {each.part:<18} {each.found}"
        )
        if each.cure:
            typer.echo(f"{'':<24} {each.cure}")
    if not all(each.ok for each in findings):
        sys.exit(1)
