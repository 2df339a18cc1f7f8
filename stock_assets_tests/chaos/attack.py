"""A seed -> hundreds of thousands of records of every wrong kind among good ones, and the proof of what became of each.

Services and a lake of its own. In each round records are sent, landed and built, and then some are corrected; all but the last
landing and build are broken off and tried again. The last line counts what went wrong, and the status is 0 only if nothing did.

Run: python -m stock_assets_tests.chaos.attack SEED [RECORDS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from stock_assets.local.services import Services
from stock_assets.settings.platform import Settings
from stock_assets.topic.topics import create_topics
from stock_assets_tests.chaos.expected import SOURCES
from stock_assets_tests.chaos.kinds import batches
from stock_assets_tests.chaos.reckoning import Reckoning, reckon
from stock_assets_tests.chaos.target import Target
from stock_assets_tests.conftest import place

RECORDS = 210_000
ROUNDS = 3
SHOWN = 20
ENVIRONMENT = {
    "FIRST_SESSION": "2013-11-25",
    "BAR_SOURCES": ",".join(SOURCES),
    "SNOWFLAKE_SCHEMA": "ATTACK",
}


def attack(settings: Settings, seed: int, records: int, rounds: int) -> Reckoning:
    """Send so many records at least, in so many rounds, and reckon; the services run."""
    create_topics(settings.broker, settings.kafka.partitions)
    target = Target(settings, seed)
    for number, made in enumerate(batches(seed, records, rounds), 1):
        began, last = time.monotonic(), number == rounds
        target.send(made)
        target.land(fault=not last)
        target.build(fault=not last)
        if not last:
            target.correct()
        print(f"round {number}: {len(target.sent):,} records sent, {time.monotonic() - began:.0f} s", flush=True)
    found = reckon(target)
    kinds = Counter(record.kind for record in target.sent.values())
    print(f"{len(target.sent):,} records of {len(kinds)} kinds; {target.broken_off} landings and builds broken off")
    for fault in found.faults[:SHOWN]:
        print(fault)
    return found


def main(seed: int, records: int, folder: Path) -> int:
    """An attack on services of its own; the exit status."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        place(patch, folder / "local")
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        settings = Settings.load()
        services = Services(settings, lambda line: print(line, flush=True))
        stack.callback(services.down)
        services.up(["kafka", "spark", "warehouse"])
        found = attack(settings, seed, records, ROUNDS)
    print(found)
    return 1 if found.faults else 0


if __name__ == "__main__":
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS
    with tempfile.TemporaryDirectory(prefix="stock-assets-attack-") as place_of_attack:
        sys.exit(main(int(sys.argv[1]), wanted, Path(place_of_attack)))
