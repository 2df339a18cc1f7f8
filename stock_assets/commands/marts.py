"""command line -> marts in the warehouse.

Belongs here: the options of ``stock-assets marts``, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: the models (``warehouse_models``), running them (``defs.mart_runs``).
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from stock_assets.settings.process import load_and_export


def marts(
    docs: Annotated[bool, typer.Option("--docs", help="Only write a page about the models and their columns.")] = False,
    manifest: Annotated[bool, typer.Option("--manifest", help="Only regenerate the models' manifest.")] = False,
) -> None:
    """Load what the marts need, build every dbt model that reads it, and test them."""
    from stock_assets.local import dbt

    settings = load_and_export()
    if manifest:
        dbt.make_manifest(settings)
        typer.echo("marts      manifest stored")
        return
    from stock_assets.local.services import Services

    needed = ["postgres"] if settings.embedded_postgres and not docs else []
    needed += ["warehouse"] if settings.embedded_warehouse else []
    if needed:
        Services(settings, typer.echo).up(needed)
    dbt.install(settings, typer.echo)
    if docs:
        typer.echo(f"marts      {dbt.write_docs(settings)}")
        return

    from stock_assets.defs.mart_runs import build_marts

    logging.getLogger("dagster").setLevel(logging.ERROR)
    typer.echo("marts      loading, building and testing")
    done = build_marts(settings)
    typer.echo(
        f"marts      {done.sessions} sessions rebuilt, {sum(done.statuses.values())} models and tests, {done.seconds:.1f} s"
    )
