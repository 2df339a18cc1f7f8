"""the commands that concern the embedded services -> what they print.

Belongs here: setup, up, down, status, doctor, health.
Does not belong here: commands that move data (stock_assets/cli.py registers those beside these).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stock_assets.observability.fact import Fact
    from stock_assets.settings.platform import Settings

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
    """Show each service, what waits, what is stale and what failed; exit status 1 when anything is wrong."""
    from stock_assets.local.services import Services
    from stock_assets.settings.process import load_and_export

    settings = load_and_export()
    shown = Services(settings).status()
    width = max(18, *(len(each.name) for each in shown))
    typer.echo(f"{'service':<{width}} {'state':<9} {'pid':>8}  {'address':<16} uptime")
    for each in shown:
        uptime = f"{each.uptime_s // 3600}:{each.uptime_s // 60 % 60:02}:{each.uptime_s % 60:02}" if each.pid else "-"
        told = f"  {'well' if each.verdict else 'NOT WELL'}  {each.verdict.because}" if each.verdict is not None else ""
        typer.echo(f"{each.name:<{width}} {each.state:<9} {each.pid or '-':>8}  {each.address:<16} {uptime}{told}")
    typer.echo()
    found = _facts(settings)
    _show([fact for fact in found if fact.problem or fact.name not in ("machine", "settings", "service", "publisher")])
    _end(found)


def doctor() -> None:
    """Check every part and name the cure of what is wrong; exit status 1 when anything is."""
    from stock_assets.settings.process import load_and_export

    found = _facts(load_and_export())
    _show(found)
    _end(found)


def health(
    as_json: Annotated[bool, typer.Option("--json", help="All facts, as one JSON object.")] = False,
) -> None:
    """What `doctor` checks, for programs: only what is wrong, or JSON; exit status 1 when anything is."""
    from stock_assets.settings.process import load_and_export

    found = _facts(load_and_export())
    problems = [fact for fact in found if fact.problem]
    if as_json:
        told = {"healthy": not problems, "at": datetime.now(UTC).isoformat(), "facts": [asdict(fact) for fact in found]}
        typer.echo(json.dumps(told))
    else:
        _show(problems)
        typer.echo(
            f"{len(problems)} of {len(found)} facts are wrong" if problems else f"{len(found)} facts, none is wrong"
        )
    _end(found)


def _facts(settings: Settings) -> list[Fact]:
    from stock_assets.observability.facts import facts

    logging.getLogger().addHandler(logging.NullHandler())  # clients log at length what a fact says in a sentence
    return facts(settings)


def _show(facts: Sequence[Fact]) -> None:
    """A line for each fact, and its cure below; what is told of several subjects, and is nothing of any, in one line."""
    nothing = {name for name in {fact.name for fact in facts} if _is_nothing([f for f in facts if f.name == name])}
    lines = {_label(fact) if fact.name not in nothing else fact.name.replace("_", " "): fact for fact in facts}
    width = max([18, *map(len, lines)])
    for label, fact in lines.items():
        mark = typer.style("WRONG", fg="red") if fact.problem else typer.style("ok   ", fg="green")
        typer.echo(f"{mark} {label:<{width}} {fact.sentence}")
        if fact.cure:
            typer.echo(f"{'':<{width + 6}} {fact.cure}")


def _is_nothing(facts: Sequence[Fact]) -> bool:
    return len(facts) > 1 and not any(fact.problem or fact.value != 0 for fact in facts)


def _label(fact: Fact) -> str:
    """Services and parts of the machine are known by their names."""
    if fact.name in ("machine", "settings", "service", "publisher", "schema"):
        return fact.about
    return f"{fact.name.replace('_', ' ')} {fact.about}".strip()


def _end(facts: Sequence[Fact]) -> None:
    """Exit status 1 when there is a problem."""
    if any(fact.problem for fact in facts):
        sys.exit(1)
