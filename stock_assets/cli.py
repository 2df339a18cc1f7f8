"""the command line -> calls into the platform.

Belongs here: which commands there are, and how an error is shown. Commands import what they need when they run, so that
``--help`` stays quick.
Does not belong here: what a command does.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
from typing import NoReturn

import typer

from stock_assets.commands import (
    alerts,
    ask,
    availability,
    backup,
    chart,
    collect,
    data,
    data_docs,
    demo,
    export,
    findings,
    history,
    maintenance,
    marts,
    metrics,
    produce,
    produce_csv,
    produce_raw,
    quarantine,
    reset,
    seed,
    services,
    serving,
    store,
    stream,
    verify,
    warehouse,
)
from stock_assets.domain.errors import StockAssetsError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a full disk, or one that may not be written, answers."""

app = typer.Typer(
    help="A stock-market data platform whose numbers can be proved.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    services.setup,
    services.up,
    services.down,
    services.status,
    services.doctor,
    services.health,
    collect.collect,
    metrics.metrics,
    demo.demo,
    marts.marts,
    seed.seed,
    data.land,
    verify.verify,
    data.topics,
    data.adopt_topic,
    availability.availability,
    data_docs.data_docs,
    history.as_of,
    quarantine.redrive,
    quarantine.withdraw,
    maintenance.compact,
    maintenance.vacuum,
    maintenance.report,
    backup.backup,
    backup.restore,
    reset.reset,
    store.files,
    ask.sql,
    export.export,
    chart.chart,
    stream.stream,
    findings.patterns,
    findings.anomalies,
):
    app.command()(command)
app.add_typer(alerts.alerts, name="alerts")
app.add_typer(quarantine.quarantine, name="quarantine")
produce.produce.command()(produce_csv.csv)
produce.produce.command()(produce_raw.raw)
app.add_typer(produce.produce, name="produce")
app.add_typer(warehouse.warehouse, name="warehouse")
app.add_typer(serving.serving, name="serving")


def main() -> None:
    """Run the command line; an error raised on purpose, or a disk that refuses, is one red sentence and exit status 1."""
    _leave(_run())


def _leave(status: int) -> NoReturn:
    """End the process without taking the interpreter down.

    Threads of libraries (Delta, Arrow, Kafka), and questions that were given up, abort the process now and then when the
    interpreter ends under them: all was done and said, and the status would be -6.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # idle threads of a pool end when they are told so, and only then
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run() -> int:
    try:
        app()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except StockAssetsError as error:
        said = str(error)
    except OSError as error:
        if error.errno not in DISK:
            raise
        said = f"{error.filename or 'A file'} cannot be written: {error.strerror}."
    typer.secho(said, fg=typer.colors.RED, err=True)
    return 1


if __name__ == "__main__":
    main()
