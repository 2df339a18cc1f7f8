"""settings -> a Spark Connect server beside supervisor's, for a process that ends it itself.

Belongs here: starting it, with a folder and a port of its own. Does not belong here: its command (``spark``), and what uses it.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from stock_assets.local.java import Java
from stock_assets.local.program import LOOPBACK, property_lines
from stock_assets.local.spark import server_command, server_environment, server_properties
from stock_assets.settings.platform import Settings


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(
    settings: Settings, java: Java, folder: Path, port: int, options: list[str], *, nice: int = 0, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start a server; it answers a few seconds later.

    Args:
        folder: for its files; made when it is missing.
        options: further options of Java.
        nice: how far its priority is lowered.
        quiet: drop its log, which otherwise goes where this process's output goes.
    """
    scratch, properties = folder / "scratch", folder / "spark.properties"
    scratch.mkdir(parents=True)
    properties.write_text(property_lines(server_properties(settings, port, scratch)), encoding="utf-8")
    # Through `env`, as this process's own variables are not for it to read here.
    variables = [f"{name}={value}" for name, value in server_environment(settings).items()]
    command = server_command(settings, java, properties, scratch, options)
    output = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(
        ["nice", "-n", str(nice), "/usr/bin/env", *variables, *command], cwd=scratch, stdout=output, stderr=output
    )
