"""a Python program -> the same, whose every line is a JSON object.

Belongs here: when services speak JSON (``LOG_FORMAT=json``), and putting their programs behind this one, which runs them
in its own process. Does not belong here: the form of a line (``json_lines``), and services that are not Python: Kafka and Spark
(``log4j2-json.xml``), PostgreSQL and MinIO (their own options).
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stock_assets.json_lines import begin, wanted
from stock_assets.local.program import Program
from stock_assets.settings.platform import Settings

ITSELF = [sys.executable, "-m", "stock_assets.local.json_program"]


def speaking(settings: Settings, program: Program) -> Program:
    """The program as it is, or behind this one."""
    return replace(program, command=in_json(program.command)) if wanted(settings) else program


def in_json(command: Sequence[str]) -> list[str]:
    """A command behind this program, if it is Python's: a module, or a script beside Python itself."""
    head, *rest = command
    if head == sys.executable and rest[:1] == ["-m"] and not rest[1].endswith("with_store_keys"):
        return [*ITSELF, *rest]
    if Path(head).parent == Path(sys.executable).parent and head != sys.executable and _is_python(Path(head)):
        return [*ITSELF, head, *rest]
    return list(command)


def _is_python(script: Path) -> bool:
    """Whether Python runs it: beside Python lie Spark's scripts, too, which are the shell's."""
    with script.open("rb") as opened:
        # of an installation whose path is long, the second line names it
        return b"python" in opened.readline(200) + opened.readline(400)


def main() -> None:
    """Become what the arguments name: ``-m MODULE ...`` or ``SCRIPT ...``."""
    begin(Settings.load())
    arguments = sys.argv[1:]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
