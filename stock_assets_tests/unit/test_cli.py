"""How the command line ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stock_assets_tests.checkout import PROJECT

AT_WORK = """
import sys, threading
from deltalake import DeltaTable
from stock_assets import cli

def ask(began):
    while True:
        began.set()
        try:
            DeltaTable("{table}")
        except Exception:
            pass

threads = [(threading.Thread(target=ask, args=(began := threading.Event(),), daemon=True), began) for _ in range(8)]
for thread, began in threads:
    thread.start()
    began.wait()
sys.argv = ["stock-assets", *{arguments}]
cli.main()
"""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(["--help"], 0, "doctor"), (["as-of", "AAPL", "--day", "noday"], 1, "noday"), (["no-such-command"], 2, "No such")],
)
def test_it_ends_with_its_own_status_while_given_up_questions_are_still_at_work(
    arguments: list[str], status: int, said: str
) -> None:
    code = AT_WORK.format(arguments=arguments, table=PROJECT / "no-such-table")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PROJECT, timeout=120
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
    assert "terminate called" not in done.stderr


def test_a_command_ends_though_a_library_keeps_a_pool_of_threads() -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor; from stock_assets.cli import _leave; "
        "pool = ThreadPoolExecutor(); pool.submit(print, 'sent').result(); _leave(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "sent\n")
