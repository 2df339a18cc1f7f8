"""command line -> alerts: run, list, test, wait.

Belongs here: the options of ``stock-assets alerts``, and what it prints. Imports are inside: ``--help`` stays quick.
Does not belong here: any rule (``observability.alerting``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.settings.process import load_and_export

alerts = typer.Typer(help="Tell somebody when something turns wrong, and when it is well again.", no_args_is_help=True)


@alerts.command()
def run() -> None:
    """Follow what the collector sees and send what turns to ALERTS_URL, until stopped; `up` runs this."""
    from stock_assets.observability.alerting.run import Alerts
    from stock_assets.signals import stop_event

    stop = stop_event()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Alerts(load_and_export()).run(stop)


@alerts.command("list")
def show() -> None:
    """What is wrong now, what waits to be sent, and what was sent last."""
    from stock_assets.observability.alerting.message import label
    from stock_assets.observability.alerting.store import file_of, queued, sent_after, standings, trouble

    settings = load_and_export()
    file = file_of(settings)
    wrong = [(key, each) for key, each in standings(file).items() if each.wrong]
    for (name, about), each in wrong:
        told = "told" if each.told else "not told"
        typer.echo(f"WRONG  {label(name, about)}: {each.sentence} (since {_instant(each.since)}, {told})")
        if each.cure:
            typer.echo(f"       {each.cure}")
    if not wrong:
        typer.echo("nothing is wrong")
    waiting, troubled = queued(file), trouble(file)
    if waiting:
        why = f": {troubled.said} (tried {troubled.attempts} times)" if troubled is not None else ""
        typer.echo(f"{len(waiting)} turns wait to be sent{why}")
    for sent in sent_after(file, 0, limit=10):
        typer.echo(f"sent   {_instant(sent.at)}  {sent.message.title}")
    if not settings.alerts.url:
        typer.echo("nobody is told: ALERTS_URL is not set; `stock-assets alerts test` tries one out")


@alerts.command()
def test() -> None:
    """Send a message to ALERTS_URL now; exit status 1 when it was not taken."""
    from stock_assets.observability.alerting.channel import send
    from stock_assets.observability.alerting.message import Message

    url = load_and_export().alerts.url
    if not url:
        raise PermanentError(
            "ALERTS_URL is not set: name a channel of Apprise there, such as ntfy://TOPIC or json://127.0.0.1:9099"
        )
    refused = send(url, Message("stock_assets: a test", "Alerts arrive here.", bad=False))
    if refused:
        raise ServiceUnavailable(f"Nothing was sent: {refused}.")
    typer.echo("the channel took it")


@alerts.command()
def wait(
    within: Annotated[float, typer.Option("--within", help="Seconds to wait.", min=0)] = 180.0,
) -> None:
    """Print the next alert that is sent; exit status 1 when none is. Where ALERTS_URL is json://127.0.0.1:PORT, receive it there."""
    from stock_assets.observability.alerting.webhook import Webhook, local_port

    end = time.monotonic() + within
    settings = load_and_export()
    port = local_port(settings.alerts.url)
    if port is None:
        got = _sent(settings, lambda: end - time.monotonic())
    else:
        webhook = Webhook(port)
        try:
            got = webhook.wait(lambda: end - time.monotonic())
        finally:
            webhook.close()
    if got is None:
        raise ServiceUnavailable(f"No alert within {within:.0f} s.")
    typer.echo(f"{got[0]}\n\n{got[1]}")


def _sent(settings: Settings, left_s: Callable[[], float]) -> tuple[str, str] | None:
    """Title and body of the next message that a channel elsewhere takes."""
    from stock_assets.observability.alerting.store import file_of, sent_after

    file = file_of(settings)
    known = sent_after(file, 0, limit=1)
    newest = known[-1].seq if known else 0
    while left_s() > 0:
        if fresh := sent_after(file, newest):
            return fresh[0].message.title, fresh[0].message.body
        time.sleep(0.5)
    return None


def _instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
