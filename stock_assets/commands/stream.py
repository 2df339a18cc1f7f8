"""command line -> the stream of windows, in place of this process.

Belongs here: the options of ``stock-assets stream``. Imports are inside: ``--help`` stays quick.
Does not belong here: the driver (``live.stream``) and its command (``local.stream``).
"""

from __future__ import annotations

import os
import shutil

from stock_assets.settings.process import load_and_export


def stream() -> None:
    """Compute windows of 15 and 60 minutes while ticks are landed, until stopped; `up` does so under supervision."""
    from stock_assets.local.jars import fetch
    from stock_assets.local.java import find_java
    from stock_assets.local.program import prepare
    from stock_assets.local.stream import stream as program_of

    settings = load_and_export()
    fetch(settings, print)
    program = program_of(settings, find_java(settings))
    shutil.rmtree(program.directory, ignore_errors=True)
    prepare(program)
    os.chdir(program.directory)
    variables = [f"{name}={value}" for name, value in program.environment.items()]
    os.execv("/usr/bin/env", ["/usr/bin/env", *variables, *program.command])
