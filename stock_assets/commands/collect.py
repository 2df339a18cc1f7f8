"""command line -> the collector, until it is stopped.

Belongs here: the options of ``stock-assets collect``, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: looking (``observability.collector``).
"""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from stock_assets.settings.process import load_and_export


def collect(once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False) -> None:
    """Keep the facts of `doctor`, and what runs did, for the dashboard; every COLLECT_EVERY_S seconds, until stopped."""
    from stock_assets.observability.collector import Collector
    from stock_assets.observability.kept import file_of

    settings = load_and_export()
    logging.getLogger().addHandler(logging.NullHandler())  # clients log at length what a fact says in a sentence
    collector = Collector(settings)
    if not once:
        collector.run()
    seen = collector.collect()
    wrong = sum(fact.problem for fact in seen.facts)
    typer.echo(f"{len(seen.facts)} facts, {wrong} of them problems, in {seen.seconds:.1f} s: {file_of(settings)}")
