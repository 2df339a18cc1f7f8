"""command line -> the exporter of metrics, until it is stopped.

Belongs here: the options of ``stock-assets metrics``. Imports are inside: ``--help`` stays quick.
Does not belong here: the metrics (``observability.metrics``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from stock_assets.settings.process import load_and_export


def metrics(
    address: Annotated[
        str, typer.Option(help="Where to listen; in a container, compose publishes the port.")
    ] = "127.0.0.1",
) -> None:
    """Answer Prometheus at METRICS_PORT from what the collector keeps, until stopped; `up` runs this."""
    from stock_assets.observability.metrics.server import serve
    from stock_assets.signals import stop_event

    serve(load_and_export(), address, stop_event())
