"""A drain that is made to fail: lands the ticks again and again, until it is killed or kills itself.

Run: python -m stock_assets_tests.chaos.drainer [--die write|commit|answer] [--clock SECONDS] [--room BYTES]
Each landing and each failure is a line on standard output.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import signal
import sys
import time
from typing import Any

from deltalake import DeltaTable

from stock_assets.domain.errors import StockAssetsError
from stock_assets.lake.files import write_files
from stock_assets.landing import commit as landing
from stock_assets.landing import prepare
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import TICKS


def main() -> None:
    """Land until killed."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--die", choices=["write", "commit", "answer"])
    wanted.add_argument("--clock", type=float, default=0.0)
    wanted.add_argument("--room", type=int)
    given = wanted.parse_args()
    settings = Settings.load()
    if given.die:
        die_at(given.die)
    if given.clock:
        true_time = time.time
        time.time = lambda: true_time() + given.clock
    if given.room:
        # as a full disk does, writing fails in the middle of a file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.room, given.room))
    # What is done to this process would not happen in others: they share a backlog in drains that are left alone.
    tampered = bool(given.die or given.clock or given.room)
    for number in itertools.count():
        # by either reader in turn
        bulk_from = 0 if number % 2 else sys.maxsize
        limits = prepare.Limits(5000, processes=1 if tampered else 2, share_from=3000, bulk_from=bulk_from)
        try:
            for each in landing.land(settings.lake_root, settings.broker, TICKS, limits):
                print(f"landed {each.accepted} {each.rejected} {each.gaps} version {each.version}", flush=True)
        except (StockAssetsError, OSError) as broken:
            print(f"failed {type(broken).__name__} {broken}", flush=True)
        time.sleep(0.2)


def die_at(moment: str) -> None:
    """Let the process kill itself at the next commit: before its files are written, before it, or before its answer."""
    commit = DeltaTable.create_write_transaction

    def die(*_: Any, **__: Any) -> Any:
        print(f"dying at {moment}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def commit_and_die(*arguments: Any, **named: Any) -> None:
        if moment == "answer":
            commit(*arguments, **named)
        die()

    def write_half_and_die(uri: str, shape: Any, rows: Any, name: str) -> Any:
        write_files(uri, shape, rows.slice(0, rows.num_rows // 2), name)
        return die()

    if moment == "write":
        prepare.write_files = write_half_and_die  # type: ignore[attr-defined]
    else:
        DeltaTable.create_write_transaction = commit_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
